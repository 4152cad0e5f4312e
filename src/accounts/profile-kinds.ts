// What a field of a profile is, and the kinds of value that it can have: what is accepted, in which form it is kept, and what
// is wrong else. Pure.
import { parseName } from '../lib/identifiers.ts';
import { isTimeZone } from '../lib/time-zone.ts';

export const ownKinds = ['text', 'number', 'boolean', 'choice', 'date', 'url'] as const;
export type ProfileKind = (typeof ownKinds)[number] | 'picture' | 'locale' | 'zoneinfo';

export type ProfileValue = string | number | boolean;
export type ProfileValues = Readonly<Record<string, ProfileValue>>;

/** Who looks at a profile, or changes it. */
export type ProfileParty = 'owner' | 'admin';

/** The columns of an account that are fields of its profile, too. */
export type ProfileColumn = 'name' | 'givenName' | 'familyName' | 'picture' | 'locale' | 'zoneinfo';

/** The scopes under which apps may be told fields. */
export const claimScopes = ['profile', 'email', 'address'] as const;

export interface ProfileChoice {
  readonly value: string;
  readonly label: Readonly<Record<string, string>>;
}

export interface ProfileField {
  readonly name: string;
  readonly kind: ProfileKind;
  /** Per language; a standard field has its label in the message catalogues, `profile.field.<name>`. */
  readonly label?: Readonly<Record<string, string>>;
  readonly maximumLength: number;
  readonly choices: readonly ProfileChoice[];
  /** Whether the sign-up page asks for it. */
  readonly registration: 'no' | 'optional' | 'required';
  readonly visibleTo: readonly ProfileParty[];
  readonly changeableBy: readonly ProfileParty[];
  /** `member`: the claim is an object, and this is one part of it (OpenID Connect Core §5.1.1). */
  readonly claim?: {
    readonly scope: (typeof claimScopes)[number];
    readonly name: string;
    readonly member?: string;
  };
  /** What a browser may fill in by itself (HTML, §4.10.18.7). */
  readonly autocomplete: string;
  /** Absent: it lies in `profile`. */
  readonly column?: ProfileColumn;
}

/** Each with the sentence for programs; pages say `profile.error.<mistake>`. */
export const mistakes = {
  required: 'This field is required.',
  tooLong: 'This is too long: at most {maximumLength} characters.',
  invisible: 'This holds characters that are invisible or turn the direction of writing. Leave them out.',
  text: 'This is a text.',
  number: 'This is a number.',
  boolean: 'This is true or false.',
  choice: 'This is none of the values that there are to choose from.',
  date: 'A date is written as in 1990-12-31.',
  url: 'This is a web address that begins with https:// or http://.',
  picture: 'A picture is an https address.',
  locale: 'A language is a BCP 47 tag, such as en or de-AT.',
  zoneinfo: 'A time zone is a name of the IANA database, such as Europe/Vienna.',
  unknown: 'There is no such field.',
  notYours: 'This field is not yours to change.',
} as const;
export type ProfileMistake = keyof typeof mistakes;

export type CheckedValue = { readonly value: ProfileValue | null } | { readonly mistake: ProfileMistake };

export interface Bounds {
  readonly maximumLength: number;
  readonly choices: readonly string[];
}

/** What was typed in a form or sent as JSON; nothing, and nothing but spaces, empties the field. */
export function checkValue(kind: ProfileKind, given: unknown, bounds: Bounds): CheckedValue {
  if (given === null || given === undefined) return { value: null };
  if (kind === 'boolean') return booleanOf(given);
  if (kind === 'number') return numberOf(given);
  if (typeof given !== 'string') return { mistake: 'text' };
  if (given.trim() === '') return { value: null };
  return textOf(kind, given, bounds);
}

function textOf(
  kind: Exclude<ProfileKind, 'boolean' | 'number'>,
  given: string,
  bounds: Bounds,
): CheckedValue {
  // Looked at first: nothing is done with what is far too long.
  if (given.length > bounds.maximumLength * 4) return { mistake: 'tooLong' };
  const text = given.normalize('NFC').trim();
  if ([...text].length > bounds.maximumLength) return { mistake: 'tooLong' };
  // Names are held to 200 characters; the rule on what is invisible holds for each stretch of a longer text.
  const stretches = text.match(/[\s\S]{1,200}/gu) ?? [];
  if (!stretches.every((stretch) => stretch.trim() === '' || parseName(stretch) !== undefined)) {
    return { mistake: 'invisible' };
  }
  return isFine(kind, text, bounds) ? { value: text } : { mistake: kind };
}

function isFine(kind: ProfileKind, text: string, { choices }: Bounds): boolean {
  switch (kind) {
    case 'choice':
      return choices.includes(text);
    case 'date':
      return isDate(text);
    case 'url':
      return isWebAddress(text, /^https?:$/);
    case 'picture':
      return isWebAddress(text, /^https:$/);
    case 'locale':
      return isLocale(text);
    case 'zoneinfo':
      return isTimeZone(text);
    default:
      return true;
  }
}

/** A form sends `on` for a box that is ticked, and nothing for one that is not. */
function booleanOf(given: unknown): CheckedValue {
  if (typeof given === 'boolean') return { value: given };
  if (given === 'on' || given === 'true') return { value: true };
  if (given === '' || given === 'false') return { value: false };
  return { mistake: 'boolean' };
}

function numberOf(given: unknown): CheckedValue {
  if (typeof given === 'string' && given.trim() === '') return { value: null };
  const text = typeof given === 'string' ? given.trim() : '';
  const value = /^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : given;
  return typeof value === 'number' && Number.isFinite(value) ? { value } : { mistake: 'number' };
}

/** OpenID Connect Core §5.1: a year of 0000 stands for one that is not told, and a year may stand alone. */
function isDate(text: string): boolean {
  if (/^[1-9]\d{3}$/.test(text)) return true;
  const [, year, month, day] = /^(0000|[1-9]\d{3})-(\d{2})-(\d{2})$/.exec(text) ?? [];
  if (year === undefined) return false;
  // 2000 has a 29th of February, as an untold year may.
  const date = new Date(Date.UTC(year === '0000' ? 2000 : Number(year), Number(month) - 1, Number(day)));
  return date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day);
}

function isWebAddress(text: string, protocol: RegExp): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return protocol.test(url.protocol) && url.hostname !== '' && url.username === '' && url.password === '';
}

export function isLocale(text: string): boolean {
  // What nearly all are: asking costs a hundred times as much.
  if (/^[a-z]{2}(-[A-Z]{2})?$/.test(text)) return true;
  try {
    return Intl.getCanonicalLocales(text).length === 1;
  } catch {
    return false;
  }
}
