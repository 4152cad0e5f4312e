// Mail addresses, user names and people's names: what is accepted, and the one form in which they are compared.
import { domainToASCII } from 'node:url';

export type IdentifierKind = 'email' | 'username';

export interface Identifier {
  kind: IdentifierKind;
  /** As the person typed it, trimmed and in NFKC; the only form that is shown or written to. */
  value: string;
  /** As it is compared: also case-folded, and with the domain of a mail address in ASCII. */
  normalized: string;
}

const MAXIMUM_IDENTIFIER_LENGTH = 254; // RFC 5321 §4.5.3.1.3: a path of 256 octets with its angle brackets
const MAXIMUM_LOCAL_PART_LENGTH = 64; // RFC 5321 §4.5.3.1.1
const MAXIMUM_NAME_LENGTH = 200;

// What cannot be seen, or changes how its neighbours are seen: control characters, bidi controls, zero-width
// characters, fillers, lone surrogates, private use, unassigned code points (a later Unicode may fold them otherwise),
// and the blank braille pattern, which looks like a space.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;
const WHITE_SPACE = /\p{White_Space}/u;
// RFC 5322 §3.2.3 `specials`, less the dot; quoted local parts are refused, since no provider gives them out.
const NOT_IN_LOCAL_PART = /["(),:;<>@[\\\]]/;
const ACCOUNT_ID = /^acc_[0-9a-z]{26}$/;
// In people's names the two joiners are letters' business (Persian, Indic scripts) and stay allowed.
const NOT_IN_NAME = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** undefined when it is not an address that this product accepts. */
export function parseEmail(typed: string): Identifier | undefined {
  const value = visibleWord(typed);
  if (value === undefined) return undefined;
  const at = value.lastIndexOf('@');
  const local = value.slice(0, at);
  const domain = value.slice(at + 1);
  if (at < 1 || local.length > MAXIMUM_LOCAL_PART_LENGTH || NOT_IN_LOCAL_PART.test(local)) return undefined;
  if (local.split('.').includes('')) return undefined;
  const ascii = asciiDomain(domain);
  if (ascii === undefined) return undefined;
  return { kind: 'email', value, normalized: `${foldCase(local)}@${ascii}` };
}

/** undefined when it is not a user name: it holds an `@`, a space, something invisible, or looks like an account id. */
export function parseUsername(typed: string): Identifier | undefined {
  const value = visibleWord(typed);
  // Without `@` a user name can never be taken for somebody's mail address, nor claim one.
  if (value === undefined || value.includes('@')) return undefined;
  const normalized = foldCase(value);
  if (normalized.includes('@') || ACCOUNT_ID.test(normalized)) return undefined;
  return { kind: 'username', value, normalized };
}

/** What a person typed to sign in, in its compared form; undefined when no account can have it. */
export function normalizeIdentifier(typed: string): string | undefined {
  return (parseEmail(typed) ?? parseUsername(typed))?.normalized;
}

/** A display name, trimmed, in NFC; undefined when it is empty, too long or holds what could disguise it. */
export function parseName(typed: string): string | undefined {
  if (typed.length > MAXIMUM_NAME_LENGTH * 4 || NOT_IN_NAME.test(typed)) return undefined;
  const name = typed.normalize('NFC').trim();
  return name.length > 0 && [...name].length <= MAXIMUM_NAME_LENGTH ? name : undefined;
}

/** Unicode's default case folding over NFKC, run until nothing changes: the compared form of its result is itself. */
export function foldCase(text: string): string {
  let folded = text;
  for (let round = 0; round < 4; round += 1) {
    // Upper then lower joins what lower alone keeps apart (ß and ss, final and medial sigma): JavaScript has no toCaseFold.
    const next = folded.normalize('NFKC').toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFKC');
    if (next === folded) return folded;
    folded = next;
  }
  return folded;
}

function visibleWord(typed: string): string | undefined {
  // Checked before normalising too: a text of this length may grow eighteenfold in NFKC.
  if (typed.length > MAXIMUM_IDENTIFIER_LENGTH * 2) return undefined;
  const value = typed.trim().normalize('NFKC');
  if (value.length === 0 || value.length > MAXIMUM_IDENTIFIER_LENGTH) return undefined;
  if (INVISIBLE.test(value) || INVISIBLE.test(typed.trim()) || WHITE_SPACE.test(value)) return undefined;
  return value;
}

function asciiDomain(domain: string): string | undefined {
  if (domain.length === 0 || !/^[\p{L}\p{N}\p{M}.-]+$/u.test(domain)) return undefined;
  const ascii = domainToASCII(domain);
  const labels = ascii.split('.');
  return labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)) ? ascii : undefined;
}
