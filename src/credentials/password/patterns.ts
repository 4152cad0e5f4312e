// Passwords that no list needs to hold, because they follow a pattern: a chunk over and over, a sequence, a walk over keys.

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const DIGITS = '01234567890123456789';
const ROWS = [
  '1234567890',
  'qwertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  'qwertzuiop',
  'yxcvbnm',
  'azertyuiop',
  'qsdfghjklm',
  'wxcvbn',
];
const COLUMNS = [
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p',
  '1q2w3e4r5t6y7u8i9o0p',
  'qazwsxedcrfvtgbyhnujmikolp',
];

const forward = [LETTERS, DIGITS, ...ROWS, ROWS.slice(0, 4).join(''), ROWS.slice(1, 4).join(''), ...COLUMNS];
const walks = forward.flatMap((walk) => [walk, [...walk].reverse().join('')]);
const SHORTEST_WALK = 3;
/** Characters that may stand beside the walks without making a password of them. */
const STRAYS = 3;
const FEWEST_DIFFERENT = 4;

/** Takes case-folded text. */
export function isPatterned(folded: string, minimumLength: number): boolean {
  return (
    new Set(folded).size < FEWEST_DIFFERENT ||
    repeatedChunk(folded) < minimumLength ||
    strayCharacters(folded) <= STRAYS
  );
}

/** The length of the shortest chunk that, repeated, gives the text (its last repetition may be cut); else infinite. */
function repeatedChunk(text: string): number {
  for (let length = 1; length <= text.length / 2; length += 1) {
    if (text.startsWith(text.slice(length))) return length;
  }
  return Number.POSITIVE_INFINITY;
}

/** How many characters are part of no walk and no run of one character, taking the longest walk at each place. */
function strayCharacters(text: string): number {
  let strays = 0;
  let at = 0;
  while (at < text.length && strays <= STRAYS) {
    const length = Math.max(walkAt(text, at), runAt(text, at));
    if (length >= SHORTEST_WALK) {
      at += length;
    } else {
      strays += 1;
      at += 1;
    }
  }
  return strays;
}

function walkAt(text: string, at: number): number {
  let longest = 0;
  for (const walk of walks) {
    const from = walk.indexOf(text.slice(at, at + SHORTEST_WALK));
    if (from < 0) continue;
    let length = 0;
    while (at + length < text.length && text[at + length] === walk[from + length]) length += 1;
    longest = Math.max(longest, length);
  }
  return longest;
}

function runAt(text: string, at: number): number {
  let length = 1;
  while (at + length < text.length && text[at + length] === text[at]) length += 1;
  return length;
}
