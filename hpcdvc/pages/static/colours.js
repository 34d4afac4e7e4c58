// Colour maps, of equal steps to the eye: matplotlib's viridis, magma, and ColorBrewer's RdBu from blue to red, at equal distances.

const STOPS = {
  viridis: "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725",
  magma: "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 d0416f e75263 f56b5c fc8961 fea772 fec488 fde2a3 fcfdbf",
  RdBu_r: "053061 175290 2a71b2 3f8ec0 6bacd1 9bc9e0 c2ddec e0ecf3 f7f6f6 fbe5d8 fbccb4 f5aa89 e48066 d05548 ba2832 930e26 67001f",
  gray: "000000 ffffff",
};

/** 256 colours of a map, [r, g, b] one after the other. */
function table(stops) {
  const colours = stops.split(" ").map(rgb);
  const found = new Uint8ClampedArray(768);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (colours.length - 1);
    const low = Math.min(Math.floor(place), colours.length - 2);
    for (let k = 0; k < 3; k++) found[3 * i + k] = colours[low][k] + (place - low) * (colours[low + 1][k] - colours[low][k]);
  }
  return found;
}

/** [r, g, b] of six hexadecimal digits. */
export function rgb(text) {
  const number = parseInt(text.replace("#", ""), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

export const MAPS = Object.fromEntries(Object.entries(STOPS).map(([name, stops]) => [name, table(stops)]));
