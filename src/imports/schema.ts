// The shapes of an import: what is read, what becomes of each record, and the sum of it.
import { z } from 'zod';

export const formats = ['csv', 'jsonl'] as const;
export type Format = (typeof formats)[number];

/** One record of the file, by the names of its fields; or why it is none. */
export type Entry =
  | { line: number; fields: Readonly<Record<string, unknown>> }
  | { line: number; mistake: string };

export const fieldNames = [
  'id',
  'email',
  'email_verified',
  'username',
  'name',
  'given_name',
  'family_name',
  'picture',
  'locale',
  'zoneinfo',
  'phone_number',
  'phone_number_verified',
  'profile',
  'organization',
  'admin',
  'password_hash',
  'password',
] as const;

/** CSV knows only text. */
const truth = z.preprocess(
  (value) => (typeof value === 'string' ? words.get(value.trim().toLowerCase()) : value),
  z.boolean('Write true or false.'),
);
const words = new Map([
  ...['true', 'yes', '1'].map((word) => [word, true] as const),
  ...['false', 'no', '0'].map((word) => [word, false] as const),
]);

const text = z.string('Write text.');

/** What a record may say of a person. The values of accounts are checked where accounts are. */
export const PersonRecord = z.strictObject({
  /** Of the other system: told in the report beside ours. */
  id: z.union([text.max(256), z.number()]).nullish(),
  email: text.nullish(),
  email_verified: truth.nullish(),
  username: text.nullish(),
  name: text.nullish(),
  given_name: text.nullish(),
  family_name: text.nullish(),
  picture: text.nullish(),
  locale: text.nullish(),
  zoneinfo: text.nullish(),
  phone_number: text.nullish(),
  phone_number_verified: truth.nullish(),
  profile: z.record(z.string(), z.union([text, z.number(), z.boolean(), z.null()])).nullish(),
  /** The slug of the one that they become a member of. */
  organization: text.nullish(),
  admin: truth.nullish(),
  password_hash: text.nullish(),
  password: text.nullish(),
} satisfies Record<(typeof fieldNames)[number], z.ZodType>);
export type PersonRecord = z.output<typeof PersonRecord>;

export interface ImportRules {
  /** Passwords in the clear are taken, and hashed. */
  readonly allowPlain: boolean;
  /** Records may make administrators. */
  readonly allowAdmins: boolean;
  /** Everybody who comes with a password chooses another at the first sign-in. */
  readonly requirePasswordChange: boolean;
}

/** A line of the report: what became of the record that begins in this line of the file. */
export type Outcome =
  | { line: number; result: 'created'; id: string; ref?: string }
  | { line: number; result: 'present'; id: string; ref?: string }
  | {
      line: number;
      result: 'refused';
      code: string;
      reason: string;
      fields?: Record<string, string>;
      ref?: string;
    };

export interface ImportSummary {
  readonly records: number;
  readonly created: number;
  readonly present: number;
  readonly refused: number;
  /** Not all of it was looked at: too many were refused. */
  readonly stopped: boolean;
  readonly seconds: number;
}
