// Becoming an account: an address is proved first, and only then is there an account, with everything it needs, in one commit.
import type { Accounts } from '../accounts/accounts.ts';
import type { Audit } from '../audit/audit.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { parseEmail } from '../lib/identifiers.ts';
import { newId, parseId, type RegistrationId } from '../lib/ids.ts';
import type { Messages } from '../messages/messages.ts';
import type { Organizations } from '../organizations/organizations.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Postgres } from '../platform/database/postgres.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import { keyedHash } from '../platform/secrets/tokens.ts';
import type { Log } from '../platform/telemetry/log.ts';
import type { Used, Verification } from '../verification/verification.ts';
import { createRegistrationCodes, type RegistrationCodes } from './codes.ts';
import { createFinish, fieldProblems } from './finish.ts';
import { createHook, type HookSettings } from './hook.ts';
import { comparedAddress, createInvitations, type Invitations } from './invitations.ts';
import { registrationJobs } from './jobs.ts';
import {
  type Beginning,
  type Begun,
  type Finished,
  type Particulars,
  REGISTERING_SECONDS,
  type RegistrationMode,
  type Standing,
} from './schema.ts';
import * as store from './store.ts';
import { createTerms, type Terms } from './terms.ts';

export type { RegistrationCodes } from './codes.ts';
export type { Invitations } from './invitations.ts';
export type { Beginning, Begun, Finished, Particulars, RegistrationMode, Standing } from './schema.ts';
export type { Terms } from './terms.ts';

export interface Registration {
  readonly mode: RegistrationMode;
  readonly codes: RegistrationCodes;
  readonly invitations: Invitations;
  readonly terms: Terms;
  /** Writes to the address: a code, or, to one that somebody has, how to go on. Nobody is told which. */
  begin(input: Beginning): Promise<Begun>;
  /** undefined before it began, and after it was finished. */
  standing(binding: string): Promise<Standing | undefined>;
  prove(binding: string, code: string): Promise<'ok' | 'wrong' | 'expired'>;
  /**
   * The address that the link of a mail is about, and whether it was begun as `binding`; nothing is used up. Anybody may begin
   * with the address of somebody else, so a link proves nothing where it was not begun.
   */
  peekLink(
    token: string,
    binding: string | undefined,
  ): Promise<{ email: string; isHere: boolean } | undefined>;
  /** False: it is over, or was begun elsewhere; there it is not used up. */
  proveByLink(token: string, binding: string | undefined): Promise<boolean>;
  /** Message keys, by field: of all but the password and the passkey. */
  mistakesIn(particulars: Particulars): Record<string, string>;
  /** What a browser is asked for that makes a passkey in place of a password; for this registration alone. */
  passkeyOptions(
    standing: Standing,
    name: string | null,
  ): ReturnType<Credentials['factors']['newcomers']['optionsFor']>;
  finish(binding: string, particulars: Particulars): Promise<Finished>;
  jobs(): Job[];
}

export interface RegistrationDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  log: Log;
  changes: Pick<Changes, 'poll'>;
  accounts: Accounts;
  organizations: Organizations;
  credentials: Pick<Credentials, 'setPassword'> & { factors: Pick<Credentials['factors'], 'newcomers'> };
  messages: Pick<Messages, 'send'>;
  verification: Verification;
  /** The server secret 'one-time'. */
  key: Buffer;
  issuer: string;
  settings: HookSettings & { mode: RegistrationMode };
  terms: { version: string | undefined; url: string | undefined };
  request: typeof fetch;
}

const LIFE_MILLISECONDS = REGISTERING_SECONDS * 1000;

export function createRegistration(deps: RegistrationDeps): Registration {
  const { postgres, clock, accounts, verification, settings } = deps;
  const { db } = postgres;
  const { mode } = settings;
  const codes = createRegistrationCodes(deps);
  const terms = createTerms({ ...deps, settings: deps.terms });
  const invitations = createInvitations({
    ...deps,
    provedAddress: async (accountId) => comparedAddress(await accounts.find(accountId)),
  });
  const hook = createHook(deps);
  const bindingOf = (binding: string) => keyedHash(deps.key, JSON.stringify(['registration', binding]));
  const standingOf = (binding: string) => store.findStanding(db, bindingOf(binding), clock.now());

  /** By what this one is let in, or why not. */
  async function admission(input: Beginning, normalized: string) {
    if (mode === 'closed') return 'closed';
    const before = await standingOf(input.binding);
    if (input.invitation !== undefined) {
      const invitation = await invitations.open(input.invitation);
      if (invitation?.normalized !== normalized) return 'invitation_invalid';
      return { registrationCodeId: null, invitationId: invitation.id };
    }
    if (mode === 'invitation') return 'invited_only';
    if (mode === 'open') return { registrationCodeId: null, invitationId: null };
    // Whoever wants another mail need not type the code again.
    const typed = input.code?.trim() ?? '';
    const registrationCodeId = typed === '' ? before?.registrationCodeId : await codes.find(typed);
    return registrationCodeId ? { registrationCodeId, invitationId: null } : 'code_invalid';
  }

  async function proved(
    trx: Parameters<typeof store.prove>[0],
    used: Used,
    which: Parameters<typeof store.prove>[1],
  ) {
    const normalized = parseEmail(used.to)?.normalized ?? '';
    return store.prove(trx, which, normalized, clock.now());
  }

  async function peekLink(token: string, binding: string | undefined) {
    const link = await verification.peekLink({ purpose: 'register', token });
    if (link === undefined) return undefined;
    const begun = binding === undefined ? undefined : await standingOf(binding);
    return { email: link.to, isHere: begun !== undefined && begun.id === idOf(link) };
  }

  return {
    mode,
    codes,
    invitations,
    terms,

    async begin(input) {
      const address = parseEmail(input.email);
      if (address === undefined) return { kind: 'email_invalid' };
      const { value: email, normalized } = address;
      const admitted = await admission(input, normalized);
      if (typeof admitted === 'string') return { kind: admitted };
      if (!(await hook({ normalized, challenge: input.challenge }))) return { kind: 'denied' };
      // Looked up and written to in the same steps for everybody: only the mail differs.
      const isTaken = (await accounts.findByIdentifier(email)) !== undefined;
      const id = newId('reg');
      const now = clock.now();
      return postgres.transaction(async (trx): Promise<Begun> => {
        const begun = await verification.begin(trx, {
          purpose: 'register',
          channel: 'mail',
          to: email,
          accountId: null,
          binding: input.binding,
          code: true,
          link: { path: '/verify-address' },
          template: isTaken ? 'register-taken' : 'register',
          locale: input.locale,
          values: { signInLink: `${deps.issuer}/account` },
          details: { registrationId: id },
          send: input.isRobot !== true,
        });
        if (begun.kind === 'limited') return begun;
        const expiresAt = new Date(now.getTime() + LIFE_MILLISECONDS);
        const binding = bindingOf(input.binding);
        await store.putRegistration(trx, { id, binding, email, normalized, ...admitted, now, expiresAt });
        return { kind: 'sent' };
      });
    },

    standing: standingOf,

    prove: (binding, code) =>
      postgres.transaction(async (trx) => {
        const guessed = await verification.useCode(trx, { purpose: 'register', binding, code });
        if (guessed.kind !== 'ok') return guessed.kind;
        return (await proved(trx, guessed.used, { binding: bindingOf(binding) })) ? 'ok' : 'expired';
      }),

    peekLink,

    async proveByLink(token, binding) {
      if (binding === undefined || !(await peekLink(token, binding))?.isHere) return false;
      return postgres.transaction(async (trx) => {
        const used = await verification.useLink(trx, { purpose: 'register', token });
        const id = used && idOf(used);
        return (
          used !== undefined && id !== undefined && proved(trx, used, { id, binding: bindingOf(binding) })
        );
      });
    },

    mistakesIn: (particulars) => fieldProblems({ accounts, terms }, particulars),
    passkeyOptions: ({ id, email }, name) =>
      deps.credentials.factors.newcomers.optionsFor({ binding: id, email, name }),

    finish: createFinish({ ...deps, bindingOf, codes, invitations, terms }),

    jobs: () => registrationJobs({ db, clock }),
  };
}

function idOf({ details }: Used): RegistrationId | undefined {
  return parseId('reg', String(details.registrationId));
}
