// Colour maps, of equal steps to the eye: matplotlib's viridis, magma, and ColorBrewer's RdBu from blue to red, at equal distances.

const STOPS = {
  viridis: "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725",
  magma: "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 d0416f e75263 f56b5c fc8961 fea772 fec488 fde2a3 fcfdbf",
  RdBu_r: "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f",
  gray: "000000 ffffff",
};

/** Colours of a map, [r, g, b] one after the other. */
export function table(name, count) {
  const colours = STOPS[name].split(" ").map(rgb);
  const found = new Uint8ClampedArray(3 * count);
  for (let i = 0; i < count; i++) {
    const place = (i / (count - 1)) * (colours.length - 1);
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

/** The picture of grey values of 0 to 255, row by row. */
export function greyImage(values, [rows, columns]) {
  const image = new ImageData(columns, rows), packed = new Uint32Array(image.data.buffer);
  for (let k = 0; k < values.length; k++) packed[k] = 0xff000000 | (values[k] * 0x010101);
  return image;
}

/** 256 colours of each map. */
export const MAPS = Object.fromEntries(Object.keys(STOPS).map((name) => [name, table(name, 256)]));
