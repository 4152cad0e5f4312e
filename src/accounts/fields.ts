// What a request to create or change an account says, checked: its plain fields and its identifiers. Pure.
import type { z } from 'zod';
import { definedFields, fieldsOf } from '../lib/fields.ts';
import { type Identifier, type IdentifierKind, parseEmail, parseUsername } from '../lib/identifiers.ts';
import { failure } from '../platform/errors.ts';
import { type Profile, type ProfileValue, sentenceOf } from './profile.ts';
import { type Account, AccountChange, NewAccount } from './schema.ts';
import type { AccountFields } from './store.ts';

export interface FirstFields {
  fields: AccountFields;
  identifiers: Identifier[];
  emailVerified: boolean;
}

export function firstFields(input: NewAccount, profile: Profile): FirstFields {
  const checked = check(NewAccount, input);
  const identifiers = [
    ...(checked.email ? [parsed('email', checked.email)] : []),
    ...(checked.username ? [parsed('username', checked.username)] : []),
  ];
  if (identifiers.length === 0) throw nothingToSignInBy();
  return {
    fields: {
      admin: checked.admin ?? false,
      name: checked.name ?? null,
      givenName: checked.givenName ?? null,
      familyName: checked.familyName ?? null,
      picture: checked.picture ?? null,
      locale: checked.locale ?? null,
      zoneinfo: checked.zoneinfo ?? null,
      phoneNumber: checked.phoneNumber ?? null,
      phoneNumberVerified: (checked.phoneNumber ?? null) !== null && checked.phoneNumberVerified === true,
      profile: merged(profile, {}, checked.profile ?? {}),
      appearance: 'system',
    },
    identifiers,
    emailVerified: checked.emailVerified ?? false,
  };
}

export interface ChangedFields {
  fields: Partial<Omit<AccountFields, 'profile'>>;
  /** Of the fields that lie in `profile`: what is named changes, null empties. */
  profile?: Readonly<Record<string, unknown>>;
  /** Absent: stays. Null: is given up. */
  email?: Identifier | null;
  username?: Identifier | null;
  emailVerified?: boolean;
  /** The names of the fields, for the ledger. */
  names: string[];
}

export function changedFields(change: AccountChange): ChangedFields {
  const {
    email,
    username,
    emailVerified,
    version: _version,
    profile,
    ...rest
  } = check(AccountChange, change);
  const fields = definedFields(rest);
  const names = Object.entries(change)
    .filter(([name, value]) => name !== 'version' && value !== undefined)
    .flatMap(([name]) =>
      name === 'profile' ? Object.keys(profile ?? {}).map((one) => `profile.${one}`) : [name],
    );
  return {
    fields,
    names,
    ...(profile !== undefined && { profile }),
    ...(email !== undefined && { email: email === null ? null : parsed('email', email) }),
    ...(username !== undefined && { username: username === null ? null : parsed('username', username) }),
    ...(emailVerified !== undefined && { emailVerified }),
  };
}

/** Like a mail address: a new number is nobody's until it is verified, the same one stays as it was. */
export function phoneAfter(
  before: Account,
  { fields: { phoneNumber = before.phoneNumber, phoneNumberVerified }, names }: ChangedFields,
): Partial<AccountFields> {
  if (!names.includes('phoneNumber') && phoneNumberVerified === undefined) return {};
  const kept = phoneNumber === before.phoneNumber && before.phoneNumberVerified;
  return { phoneNumberVerified: phoneNumber !== null && (phoneNumberVerified ?? kept) };
}

/** What lies in `profile` after the change. Throws request_invalid with a sentence for each field that is wrong. */
export function merged(
  profile: Profile,
  before: Account['profile'],
  given: Readonly<Record<string, unknown>>,
): Account['profile'] {
  const { values, mistakes } = profile.check(given);
  const wrong = Object.entries(mistakes).map(([name, mistake]) => [
    `profile.${name}`,
    sentenceOf(mistake, profile.field(name)),
  ]);
  // What has a place of its own in an account is changed there: one value has one way in.
  const elsewhere = Object.keys(values).flatMap((name) => {
    const column = profile.field(name)?.column;
    return column === undefined
      ? []
      : [[`profile.${name}`, `This is the field \`${column}\` of the account.`]];
  });
  if (wrong.length + elsewhere.length > 0) {
    throw failure('request_invalid', { fields: Object.fromEntries([...wrong, ...elsewhere]) });
  }
  const after = Object.entries<ProfileValue | null>({ ...before, ...values });
  return Object.fromEntries(after.filter((entry): entry is [string, ProfileValue] => entry[1] !== null));
}

export interface WantedIdentifier {
  kind: IdentifierKind;
  identifier: Identifier | null;
  verified: boolean;
}

/** The identifiers to give up and claim anew, mail address first: one order for all keeps claims from deadlocks. */
export function wantedIdentifiers(before: Account, wanted: ChangedFields): WantedIdentifier[] {
  const left = {
    email: wanted.email === undefined ? before.email : wanted.email,
    username: wanted.username === undefined ? before.username : wanted.username,
  };
  if (left.email === null && left.username === null) throw nothingToSignInBy();
  const changes: WantedIdentifier[] = [];
  if (wanted.email !== undefined) {
    // A new address is nobody's until it is verified; the same one in other letters stays as it was.
    const same = before.email !== null && parseEmail(before.email)?.normalized === wanted.email?.normalized;
    const verified = wanted.emailVerified ?? (same && before.emailVerified);
    changes.push({ kind: 'email', identifier: wanted.email, verified });
  }
  if (wanted.username !== undefined) {
    changes.push({ kind: 'username', identifier: wanted.username, verified: false });
  }
  return changes;
}

function parsed(kind: IdentifierKind, typed: string): Identifier {
  const identifier = kind === 'email' ? parseEmail(typed) : parseUsername(typed);
  if (identifier === undefined) {
    const sentence =
      kind === 'email' ? 'This is not a valid mail address.' : 'This is not a valid user name.';
    throw failure('identifier_invalid', { fields: { [kind]: sentence } });
  }
  return identifier;
}

function nothingToSignInBy() {
  const sentence = 'An account needs a mail address or a user name.';
  return failure('identifier_invalid', { fields: { email: sentence, username: sentence } });
}

function check<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw failure('request_invalid', { fields: fieldsOf(result.error) });
}
