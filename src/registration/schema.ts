// The shapes of registration: codes and invitations as they are kept and shown, and what each step of it comes to.
import { z } from 'zod';
import type { Account } from '../accounts/accounts.ts';
import type {
  AccountId,
  InvitationId,
  OrganizationId,
  RegistrationCodeId,
  RegistrationId,
  TeamId,
} from '../lib/ids.ts';
import { instant } from '../lib/instant.ts';
import type { Proof } from '../lib/strength.ts';
import type { Translate } from '../platform/i18n.ts';

/** Under which names a browser carries what the link of a mail or of another site brought. */
export const INVITATION = 'invitation';
export const REGISTRATION_CODE = 'registration-code';
/** And the registration that was begun in it: a link proves an address to that browser alone. */
export const REGISTERING = 'registering';
export const REGISTERING_SECONDS = 3600;

export type RegistrationMode = 'closed' | 'open' | 'code' | 'invitation';

export interface RegistrationCode {
  id: RegistrationCodeId;
  note: string | null;
  uses: number;
  maximumUses: number;
  createdBy: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
}

export interface Invitation {
  id: InvitationId;
  organizationId: OrganizationId;
  teamId: TeamId | null;
  email: string;
  invitedBy: string | null;
  createdAt: Date;
  expiresAt: Date;
  acceptedAt: Date | null;
  revokedAt: Date | null;
}

/** An invitation as whoever holds its link sees it. */
export interface OpenInvitation {
  readonly id: InvitationId;
  readonly organizationId: OrganizationId;
  readonly teamId: TeamId | null;
  readonly organizationName: string;
  readonly teamName: string | null;
  readonly email: string;
  readonly normalized: string;
  readonly expiresAt: Date;
}

const futureInstant = z.iso.datetime({ offset: true }).transform((text) => new Date(text));

export const NewRegistrationCode = z.object({
  maximumUses: z.int().min(1).max(1_000_000).default(1).describe('How many accounts may be made with it.'),
  note: z.string().trim().min(1).max(200).nullish().describe('What it is for, for whoever reads the list.'),
  expiresAt: futureInstant.nullish().describe('Until when; 30 days unless told, null for no end.'),
});
export type NewRegistrationCode = z.output<typeof NewRegistrationCode>;

export const NewInvitation = z.object({
  email: z.string().max(512),
  teamId: z.string().nullish().describe('A team of the organization that they join as well.'),
  locale: z.string().max(35).nullish().describe('The language of the mail, such as de.'),
});
export type NewInvitation = z.output<typeof NewInvitation>;

export const RegistrationCodeView = z
  .object({
    id: z.string(),
    note: z.string().nullable(),
    uses: z.int(),
    maximumUses: z.int(),
    createdBy: z.string().nullable(),
    createdAt: instant,
    expiresAt: instant.nullable(),
    revokedAt: instant.nullable(),
  })
  .meta({ id: 'RegistrationCode' });

export const IssuedRegistrationCodeView = RegistrationCodeView.extend({
  code: z.string().describe('Shown this once.'),
}).meta({ id: 'IssuedRegistrationCode' });

export const InvitationView = z
  .object({
    id: z.string(),
    organizationId: z.string(),
    teamId: z.string().nullable(),
    email: z.string(),
    invitedBy: z.string().nullable(),
    createdAt: instant,
    expiresAt: instant,
    acceptedAt: instant.nullable(),
    revokedAt: instant.nullable(),
  })
  .meta({ id: 'Invitation' });

/** Somebody on the way to an account, in one sign-in. */
export interface Standing {
  readonly id: RegistrationId;
  readonly email: string;
  readonly isProved: boolean;
  readonly registrationCodeId: RegistrationCodeId | null;
  readonly invitationId: InvitationId | null;
}

export interface Beginning {
  /** The sign-in that it is part of. */
  readonly binding: string;
  readonly email: string;
  readonly code?: string | undefined;
  readonly invitation?: string | undefined;
  readonly locale: string;
  /** What a check against robots has put into the form, for the hook. */
  readonly challenge?: string | undefined;
  /** Filled in what no person sees: everything looks as always, and nobody is written to. */
  readonly isRobot?: boolean;
}

export type Begun =
  /** The same for an address that somebody has. */
  | { kind: 'sent' }
  | { kind: 'limited'; retryAfterSeconds: number }
  | { kind: 'closed' | 'invited_only' | 'email_invalid' | 'code_invalid' | 'invitation_invalid' | 'denied' };

export interface Particulars {
  readonly username: string | null;
  /** Fields of the profile by name, as typed. */
  readonly profile: Readonly<Record<string, unknown>>;
  readonly password: string;
  /** In place of the password: what the browser answered, and the words for its name. */
  readonly passkey?: { readonly response: unknown; readonly t: Translate };
  readonly acceptsTerms: boolean;
  readonly locale: string;
}

export type Finished =
  | {
      kind: 'ok';
      account: Account;
      proof: Proof;
      /** Of a passkey, shown this once. */
      recoveryCodes: readonly string[] | null;
    }
  /** Nothing is proved, or it was finished already. */
  | { kind: 'gone' }
  /** Somebody took the address meanwhile; its owner was written to. */
  | { kind: 'taken' }
  | { kind: 'code_invalid' | 'invitation_invalid' }
  /** Message keys beside the fields. */
  | { kind: 'refused'; fields: Readonly<Record<string, string>> };

export type AccountOf = (accountId: AccountId) => Promise<Account | undefined>;
