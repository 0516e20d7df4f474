// Unicode scalar values: what the wire's offsets count. JavaScript counts UTF-16 units instead.

/** How many Unicode scalar values a string has. */
export function countScalars(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length - 1; index += 1) {
    if (isPair(text, index)) {
      count -= 1;
      index += 1;
    }
  }
  return count;
}

/** The string without its first `count` Unicode scalar values. */
export function skipScalars(text: string, count: number): string {
  let index = 0;
  for (let left = count; left > 0 && index < text.length; left -= 1) index += isPair(text, index) ? 2 : 1;
  return text.slice(index);
}

const isPair = (text: string, index: number): boolean => (text.charCodeAt(index) & 0xfc00) === 0xd800
  && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00;
