// The phone number of an account: set or changed by a code that comes there, and taken away.
import type { Accounts } from '../accounts/accounts.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import type { AccountId } from '../lib/ids.ts';
import { parsePhoneNumber } from '../lib/people/phone.ts';
import type { Messages } from '../messages/messages.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { Verification } from '../verification/verification.ts';
import type { Changer, CodeSent, Confirmed } from './schema.ts';

export interface PhoneChange {
  /** There is something that carries text messages. */
  isOpen(): boolean;
  /** Throws phone_number_invalid, phone_country_not_allowed and channel_unavailable. Several accounts may have one number: nobody signs in by it alone. */
  begin(changer: Changer, input: { phone: string; locale: string }): Promise<CodeSent>;
  confirm(changer: Changer, code: string): Promise<Confirmed>;
  remove(accountId: AccountId): Promise<void>;
}

export interface PhoneChangeDeps {
  postgres: Postgres;
  audit: Audit;
  accounts: Pick<Accounts, 'find' | 'change'>;
  messages: Pick<Messages, 'canSend'>;
  verification: Verification;
  settings: { smsCountries: readonly string[] };
}

export function createPhoneChange(deps: PhoneChangeDeps): PhoneChange {
  return {
    isOpen: () => deps.messages.canSend('sms'),

    async begin({ accountId, sessionId }, { phone, locale }) {
      if (!deps.messages.canSend('sms')) throw failure('channel_unavailable', { channel: 'sms' });
      const number = parsePhoneNumber(phone);
      if (number === undefined) throw failure('phone_number_invalid');
      const { smsCountries } = deps.settings;
      // Numbers that cost whoever calls them are rented to make servers send them messages.
      if (smsCountries.length > 0 && !smsCountries.includes(number.country ?? '')) {
        throw failure('phone_country_not_allowed');
      }
      const begun = await deps.verification.begin(undefined, {
        purpose: 'change-phone',
        channel: 'sms',
        to: number.e164,
        accountId,
        binding: sessionId,
        code: true,
        template: 'change-phone',
        locale,
      });
      return begun.kind === 'limited' ? begun : { kind: 'sent' };
    },

    confirm: (changer, code) => deps.postgres.transaction((trx) => confirm(deps, trx, changer, code)),

    remove: (accountId) =>
      deps.postgres.transaction(async (trx) => {
        const account = await deps.accounts.find(accountId, trx);
        if (account === undefined || account.phoneNumber === null) return;
        await change(deps, trx, accountId, null);
      }),
  };
}

async function confirm(deps: PhoneChangeDeps, trx: Db, changer: Changer, code: string): Promise<Confirmed> {
  const { accountId, sessionId } = changer;
  const guessed = await deps.verification.useCode(trx, { purpose: 'change-phone', binding: sessionId, code });
  if (guessed.kind === 'expired') return guessed;
  // It stays counted: this transaction is committed.
  if (guessed.kind === 'wrong') return { kind: 'wrong', left: guessed.left };
  if (guessed.used.accountId !== accountId) return { kind: 'expired' };
  await deps.verification.end(trx, { accountId, purposes: ['change-phone'] });
  await change(deps, trx, accountId, guessed.used.to);
  return { kind: 'ok' };
}

async function change(
  deps: PhoneChangeDeps,
  trx: Db,
  id: AccountId,
  phoneNumber: string | null,
): Promise<void> {
  const actor: Actor = { kind: 'account', id };
  const wanted = { phoneNumber, phoneNumberVerified: phoneNumber !== null };
  await deps.accounts.change(id, wanted, actor, undefined, trx);
  await deps.audit.record(trx, {
    type: phoneNumber === null ? 'account.phone-removed' : 'account.phone-changed',
    actor,
    outcome: 'success',
    accountId: id,
  });
}
