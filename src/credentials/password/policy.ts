// What a new password must be: long enough, and not one that is tried first. No composition rules, no expiry.

import type { Account } from '../../accounts/accounts.ts';
import { foldCase } from '../../lib/identifiers.ts';
import { isPatterned } from './patterns.ts';

export interface PasswordRules {
  /** 15 for a password alone, 8 for one that is only used with a second factor (NIST SP 800-63B §3.1.1.2). */
  minimumLength: number;
  maximumLength: number;
  /** Of the product, its operator and the person. */
  contextWords: readonly string[];
  isListed: (folded: string) => Promise<boolean>;
}

export type PasswordRefusal =
  | 'password_too_short'
  | 'password_too_long'
  | 'password_common'
  | 'password_contextual'
  | 'password_reused'
  | 'password_breached';

// Shorter words are part of too many others.
const SHORTEST_CONTEXT_WORD = 3;
/** What must be left of a password without the words that anybody can know about its owner. */
const LEAST_OF_ITS_OWN = 8;

/** Why the password, in its normalised form, is refused; undefined when it is not. */
export async function refusalOf(
  normalized: string,
  rules: PasswordRules,
): Promise<PasswordRefusal | undefined> {
  const length = [...normalized].length;
  if (length < rules.minimumLength) return 'password_too_short';
  if (length > rules.maximumLength) return 'password_too_long';
  const folded = foldCase(normalized);
  if (isContextual(folded, rules.contextWords)) return 'password_contextual';
  if (isPatterned(folded, rules.minimumLength)) return 'password_common';
  return (await rules.isListed(folded)) ? 'password_common' : undefined;
}

/** Too little is left when the known words, and the parts of them, are taken out. */
function isContextual(folded: string, words: readonly string[]): boolean {
  const longestFirst = words
    .flatMap((word) => [word, ...word.split(/[^\p{L}\p{N}]+/u)])
    .map(foldCase)
    .filter((word) => [...word].length >= SHORTEST_CONTEXT_WORD)
    .sort((a, b) => b.length - a.length);
  const rest = longestFirst.reduce((text, word) => text.replaceAll(word, ''), folded);
  return rest !== folded && [...rest].length < LEAST_OF_ITS_OWN;
}

/** The words that somebody who knows the person would try first. */
export function wordsOf(account: Account): string[] {
  const texts = [account.email, account.username, account.name, account.givenName, account.familyName];
  return texts.filter((text) => text !== null);
}
