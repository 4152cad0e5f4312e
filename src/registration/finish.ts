// The end of a registration: the account with everything it needs, in one commit; or nothing, and why.
import { type Account, type Accounts, mistakesIn } from '../accounts/accounts.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import type { Credentials } from '../credentials/credentials.ts';
import type { Messages } from '../messages/messages.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { AppError, failure } from '../platform/errors.ts';
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
  credentials: Pick<Credentials, 'setPassword'>;
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
      const made = await crowd.run(() =>
        deps.postgres.transaction((trx) => makeIn(deps, trx, binding, particulars)),
      );
      if (made === undefined) return { kind: 'gone' };
      // The account stands: were this look to fail, the next one in a second brings what it may do.
      await deps.changes.poll().catch(() => undefined);
      return { kind: 'ok', account: made, proof: { method: 'password', at: deps.clock.now().getTime() } };
    } catch (error) {
      return answerTo(deps, error, binding, particulars);
    }
  };
}

/** Throws what keeps it from being made; the transaction takes everything back. */
async function makeIn(
  deps: FinishDeps,
  trx: Db,
  binding: string,
  { username, profile, password, locale }: Particulars,
): Promise<Account | undefined> {
  const standing = await store.finish(trx, deps.bindingOf(binding), deps.clock.now());
  if (standing === undefined) return undefined;
  const { columns, extras } = placed(deps, profile);
  const account = await deps.accounts.create(
    { locale, ...columns, profile: extras, email: standing.email, emailVerified: true, username },
    nobody,
    trx,
  );
  const self: Actor = { kind: 'account', id: account.id };
  await deps.credentials.setPassword(account.id, password, self, trx);
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
  return account;
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

function fieldProblems({ accounts, terms }: FinishDeps, given: Particulars): Record<string, string> {
  const { profile } = accounts;
  return {
    ...mistakesIn(profile.fields, profile.check(given.profile, 'owner')),
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
