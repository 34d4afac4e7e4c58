/** A number for people. */
export function shown(value) {
  if (value === null || !Number.isFinite(value)) return "none";
  return String(Number(value.toPrecision(5)));
}
