// Codes as people type them: spaced, dashed, on a keyboard of any script.

const DECIMAL = /\p{Nd}/u;
/** What people and the texts they copy put between groups: spaces, dashes, and marks that are not seen. */
const BETWEEN = /[\s\p{Pd}\p{Cf}._]+/gu;
/** No code is longer than this with everything between its digits. */
const MOST_TYPED = 100;

/** The digits that were typed; undefined for anything but exactly so many. */
export function digitsIn(typed: string, count: number): string | undefined {
  if (typed.length > MOST_TYPED) return undefined;
  const digits = [...typed.normalize('NFKC').replaceAll(BETWEEN, '')].map(asciiDigit);
  return digits.length === count && !digits.includes(undefined) ? digits.join('') : undefined;
}

function asciiDigit(character: string): string | undefined {
  if (character >= '0' && character <= '9') return character;
  if (!DECIMAL.test(character)) return undefined;
  // The digits of a script follow each other from its zero, and where runs touch each is ten long (Unicode §4.6).
  const code = character.codePointAt(0) ?? 0;
  let zero = code;
  while (DECIMAL.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return String((code - zero) % 10);
}
