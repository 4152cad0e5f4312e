// Which keys and tokens were good lately, in this process: their requests need no permit before the look-up.
import { hash } from 'node:crypto';

export interface Recognised {
  /** Who is asked about stays known. */
  has(credential: string): boolean;
  add(credential: string): void;
  forget(credential: string): void;
}

/** What is used moves to the young generation, so only what was not used for one to two of them is forgotten. */
const GENERATION_MILLISECONDS = 5 * 60_000;
const MOST_CREDENTIALS = 20_000;

export function createRecognised(milliseconds: () => number = () => performance.now()): Recognised {
  let young = new Set<string>();
  let old = new Set<string>();
  let youngSince = milliseconds();

  const turn = () => {
    const now = milliseconds();
    if (now - youngSince <= GENERATION_MILLISECONDS && young.size < MOST_CREDENTIALS) return;
    [old, young, youngSince] = [young, new Set(), now];
  };

  return {
    has(credential) {
      turn();
      const key = keyOf(credential);
      if (young.has(key)) return true;
      if (!old.has(key)) return false;
      young.add(key);
      return true;
    },
    add(credential) {
      turn();
      young.add(keyOf(credential));
    },
    forget(credential) {
      const key = keyOf(credential);
      young.delete(key);
      old.delete(key);
    },
  };
}

/** Never the credential itself: what lies in memory ends up in dumps of it. */
function keyOf(credential: string): string {
  return hash('sha256', credential, 'base64url');
}
