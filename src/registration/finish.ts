// The end of a registration: the account with everything it needs, in one commit; or nothing, and why.
import { type Account, type Accounts, mistakesIn } from '../accounts/accounts.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import type { AddedFactor, Credentials } from '../credentials/credentials.ts';
import { provedBySettingUp, type TakenPasskey } from '../credentials/schema.ts';
import { parseUsername } from '../lib/identifiers.ts';
import type { RegistrationId } from '../lib/ids.ts';
import type { Messages } from '../messages/messages.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { AppError, failure } from '../platform/errors.ts';
import type { Translate } from '../platform/i18n.ts';
import { createCrowd } from '../platform/limits/crowd.ts';
import type { RegistrationCodes } from './codes.ts';
import type { Invitations } from './invitations.ts';
import type { Finished, Particulars } from './schema.ts';
import * as store from './store.ts';
import type { Terms } from './terms.ts';

export interface FinishDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  clock: Clock;
  changes: Pick<Changes, 'poll'>;
  accounts: Pick<Accounts, 'create' | 'profile'>;
  credentials: Pick<Credentials, 'setPassword'> & { factors: Pick<Credentials['factors'], 'newcomers'> };
  messages: Pick<Messages, 'send'>;
  issuer: string;
  codes: Pick<RegistrationCodes, 'use'>;
  invitations: Pick<Invitations, 'acceptIn'>;
  terms: Terms;
  bindingOf: (binding: string) => Buffer;
}

const nobody: Actor = { kind: 'anonymous', id: null };

/** Each holds a connection while its password is looked at and hashed, which takes a second one: so few at once. */
const CROWD = { places: 3, line: 1000, patienceMilliseconds: 15_000 };

export function createFinish(deps: FinishDeps) {
  const crowd = createCrowd(CROWD);
  return async (binding: string, particulars: Particulars): Promise<Finished> => {
    const fields = fieldProblems(deps, particulars);
    if (Object.keys(fields).length > 0) return { kind: 'refused', fields };
    try {
      const chosen = await passkeyIn(deps, binding, particulars);
      const made = await crowd.run(() =>
        deps.postgres.transaction((trx) => makeIn(deps, trx, binding, { ...particulars, chosen })),
      );
      if (made === undefined) return { kind: 'gone' };
      // The account stands: were this look to fail, the next one in a second brings what it may do.
      await deps.changes.poll().catch(() => undefined);
      const { account, passkey } = made;
      const recoveryCodes = passkey?.recoveryCodes ?? null;
      const byPassword = { method: 'password', at: deps.clock.now().getTime() } as const;
      return { kind: 'ok', account, recoveryCodes, proof: passkey ? provedBySettingUp(passkey) : byPassword };
    } catch (error) {
      return answerTo(deps, error, binding, particulars);
    }
  };
}

/** The passkey that takes the place of a password, looked at. */
interface Chosen {
  /** It was made for this one and its address; another one may have begun in the same sign-in since. */
  readonly registrationId: RegistrationId;
  readonly passkey: TakenPasskey;
  readonly t: Translate;
}

/** Before the account is made: a question is answered once, also when the account is not made then. */
async function passkeyIn(
  deps: FinishDeps,
  binding: string,
  { passkey: given }: Particulars,
): Promise<Chosen | undefined> {
  if (given === undefined) return undefined;
  const standing = await store.findStanding(deps.postgres.db, deps.bindingOf(binding), deps.clock.now());
  if (standing === undefined) throw failure('passkey_invalid');
  const passkey = await deps.credentials.factors.newcomers.take(standing.id, given.response);
  return { registrationId: standing.id, passkey, t: given.t };
}

interface Made {
  account: Account;
  passkey: AddedFactor | undefined;
}

/** Throws what keeps it from being made; the transaction takes everything back. */
async function makeIn(
  deps: FinishDeps,
  trx: Db,
  binding: string,
  { username, profile, password, locale, chosen }: Particulars & { chosen: Chosen | undefined },
): Promise<Made | undefined> {
  const standing = await store.finish(trx, deps.bindingOf(binding), deps.clock.now());
  if (standing === undefined) return undefined;
  if (chosen !== undefined && chosen.registrationId !== standing.id) throw failure('passkey_invalid');
  const { columns, extras } = placed(deps, profile);
  const account = await deps.accounts.create(
    { locale, ...columns, profile: extras, email: standing.email, emailVerified: true, username },
    nobody,
    trx,
  );
  const self: Actor = { kind: 'account', id: account.id };
  const passkey = await chosen?.passkey.add(trx, account.id, chosen.t);
  if (passkey === undefined) await deps.credentials.setPassword(account.id, password, self, trx);
  await deps.terms.accept(account.id, trx);
  const { registrationCodeId, invitationId, normalized } = standing;
  await deps.audit.record(trx, {
    type: 'account.registered',
    actor: self,
    outcome: 'success',
    accountId: account.id,
    details: { ...(registrationCodeId && { registrationCodeId }), ...(invitationId && { invitationId }) },
  });
  const who = { accountId: account.id, normalized };
  if (invitationId && !(await deps.invitations.acceptIn(trx, invitationId, who)))
    throw failure('invitation_ended');
  // Last: everybody with the same code waits here for the commit of the one before.
  if (registrationCodeId && !(await deps.codes.use(trx, registrationCodeId))) {
    throw failure('registration_code_used_up');
  }
  return { account, passkey };
}

async function answerTo(
  deps: FinishDeps,
  error: unknown,
  binding: string,
  { locale }: Particulars,
): Promise<Finished> {
  if (!(error instanceof AppError)) throw error;
  if (error.code === 'registration_code_used_up') return { kind: 'code_invalid' };
  if (error.code === 'invitation_ended') return { kind: 'invitation_invalid' };
  if (error.code.startsWith('password_')) {
    return { kind: 'refused', fields: { password: `error.${error.code}` } };
  }
  if (error.code === 'passkey_invalid' || error.code === 'factor_exists') {
    return { kind: 'refused', fields: { passkey: 'passkey.error.refused' } };
  }
  if (error.code === 'identifier_invalid') {
    return { kind: 'refused', fields: { username: 'field.error.username' } };
  }
  if (error.code !== 'identifier_taken') throw error;
  if (error.details.kind === 'username') {
    return { kind: 'refused', fields: { username: 'register.error.usernameTaken' } };
  }
  return { kind: (await endTaken(deps, binding, locale)) ? 'taken' : 'gone' };
}

/** Somebody else has the address by now: whoever reads what is sent there is told, as at the beginning. */
async function endTaken(deps: FinishDeps, binding: string, locale: string): Promise<boolean> {
  return deps.postgres.transaction(async (trx) => {
    const standing = await store.finish(trx, deps.bindingOf(binding), deps.clock.now());
    if (standing === undefined) return false;
    await deps.messages.send(trx, {
      channel: 'mail',
      template: 'register-taken',
      to: standing.email,
      accountId: null,
      locale,
      values: { signInLink: `${deps.issuer}/account` },
    });
    return true;
  });
}

export function fieldProblems(
  { accounts, terms }: Pick<FinishDeps, 'accounts' | 'terms'>,
  given: Particulars,
): Record<string, string> {
  const { profile } = accounts;
  return {
    ...mistakesIn(profile.fields, profile.check(given.profile, 'owner')),
    ...(given.username !== null &&
      parseUsername(given.username) === undefined && { username: 'field.error.username' }),
    ...(terms.current && !given.acceptsTerms && { terms: 'register.error.terms' }),
  };
}

/** What has a column of its own in an account, and what lies in its profile. */
function placed({ accounts }: FinishDeps, given: Particulars['profile']) {
  const { values } = accounts.profile.check(given);
  const columns: Record<string, string> = {};
  const extras: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === null) continue;
    const column = accounts.profile.field(name)?.column;
    if (column === undefined) extras[name] = value;
    else columns[column] = String(value);
  }
  return { columns, extras };
}
