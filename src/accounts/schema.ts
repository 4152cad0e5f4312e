// The shapes of accounts: what comes in, what is kept, and what may be shown.
import { z } from 'zod';
import { parseName } from '../lib/identifiers.ts';
import type { AccountId } from '../lib/ids.ts';
import { instant } from '../lib/instant.ts';
import { parsePhoneNumber } from '../lib/people/phone.ts';
import { isTimeZone } from '../lib/time-zone.ts';
import { type Appearance, appearances } from '../vocabulary/appearances.ts';
import { isLocale, type ProfileValue } from './profile-kinds.ts';

export type AccountStatus = 'active' | 'suspended';

export interface Account {
  id: AccountId;
  status: AccountStatus;
  admin: boolean;
  email: string | null;
  emailVerified: boolean;
  username: string | null;
  name: string | null;
  givenName: string | null;
  familyName: string | null;
  picture: string | null;
  locale: string | null;
  zoneinfo: string | null;
  /** In E.164; null: none. */
  phoneNumber: string | null;
  phoneNumberVerified: boolean;
  /** Further fields, as profile.ts lists them. */
  profile: Readonly<Record<string, ProfileValue>>;
  /** Of the pages of this server. */
  appearance: Appearance;
  /** Its owner wants it gone, and until then may think again; null: nobody does. */
  deleteAt: Date | null;
  /** Grows by one with every change; a change that names it is refused when it is no longer the current one. */
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

const personName = z.string().transform((text, context) => {
  const name = parseName(text);
  if (name === undefined) {
    context.addIssue({
      code: 'custom',
      message: 'A name has 1 to 200 characters and none that are invisible.',
    });
  }
  return name ?? z.NEVER;
});

const picture = z
  .url({ protocol: /^https$/, error: 'A picture is an https address.' })
  .max(2048, 'A picture address has at most 2048 characters.');

const locale = z.string().max(35).refine(isLocale, 'A locale is a BCP 47 language tag, such as en or de-AT.');

const zoneinfo = z
  .string()
  .max(64)
  .refine(isTimeZone, 'A time zone is a name of the IANA database, such as Europe/Vienna.');

const phoneNumber = z.string().transform((text, context) => {
  const number = parsePhoneNumber(text);
  if (number === undefined) {
    context.addIssue({
      code: 'custom',
      message: 'A phone number begins with + and its country, such as +43 660 1234567.',
    });
  }
  return number?.e164 ?? z.NEVER;
});

const profile = {
  name: personName.nullish(),
  givenName: personName.nullish(),
  familyName: personName.nullish(),
  picture: picture.nullish(),
  locale: locale.nullish(),
  zoneinfo: zoneinfo.nullish(),
  phoneNumber: phoneNumber.nullish(),
  phoneNumberVerified: z.boolean().optional(),
  // Any values here: the table of fields decides (profile.ts). One that is not named stays, null empties it.
  profile: z
    .record(z.string().max(64), z.union([z.string(), z.number(), z.boolean(), z.null()]))
    .optional()
    .describe('Further fields by their names; docs/profile.md lists them.'),
};

// Identifiers are only typed as text here: their own parser decides, and answers identifier_invalid.
export const NewAccount = z.object({
  ...profile,
  email: z.string().nullish(),
  emailVerified: z.boolean().optional(),
  username: z.string().nullish(),
  admin: z.boolean().optional(),
});
export type NewAccount = z.input<typeof NewAccount>;

/** A field that is absent stays; null empties it. */
export const AccountChange = z.object({
  ...profile,
  email: z.string().nullish(),
  emailVerified: z.boolean().optional(),
  username: z.string().nullish(),
  admin: z.boolean().optional(),
  appearance: z.enum(appearances).optional(),
  version: z.number().int().positive().optional(),
});
export type AccountChange = z.input<typeof AccountChange>;

export interface AccountFilter {
  status?: AccountStatus | undefined;
  /** The beginning of a mail address, user name or name, or a whole account id. */
  search?: string | undefined;
}

/** An account as the command line and the management API show it. */
export const AccountView = z
  .object({
    id: z.string(),
    status: z.enum(['active', 'suspended']),
    admin: z.boolean(),
    email: z.string().nullable(),
    emailVerified: z.boolean(),
    username: z.string().nullable(),
    name: z.string().nullable(),
    givenName: z.string().nullable(),
    familyName: z.string().nullable(),
    picture: z.string().nullable(),
    locale: z.string().nullable(),
    zoneinfo: z.string().nullable(),
    phoneNumber: z.string().nullable(),
    phoneNumberVerified: z.boolean(),
    profile: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    appearance: z.enum(appearances),
    deleteAt: instant
      .nullable()
      .describe('When it will be deleted because its owner asked for that; null: nobody did.'),
    version: z.int(),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'Account' });
export type AccountView = z.output<typeof AccountView>;
