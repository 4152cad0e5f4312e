// Recovery codes: ten on paper, for the day on which every other factor is lost. Each works once.
import { randomBytes } from 'node:crypto';
import type { Actor } from '../../audit/audit.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { keyedHash } from '../../platform/secrets/tokens.ts';
import type { FactorDeps } from './deps.ts';

export interface RecoveryCodes {
  /** A new set in place of the one so far, shown this once. */
  renew(accountId: AccountId, by: Actor): Promise<string[]>;
  left(accountId: AccountId): Promise<number>;
}

export const RECOVERY_CODES = 10;
/** 120 bits: twenty-four digits of five. Guessing is out of the question (NIST SP 800-63B §3.1.2.2 asks for 64 bits). */
const BYTES = 15;
/** Crockford's base 32: read aloud and copied by hand, no digit is taken for another. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const MOST_TYPED = 200;

type Deps = Pick<FactorDeps, 'postgres' | 'audit' | 'clock' | 'oneTimeKey'>;

export function createRecoveryCodes(deps: Deps): RecoveryCodes {
  return {
    renew: (accountId, by) =>
      deps.postgres.transaction(async (trx) => {
        // Two sets made at the same time would be one of twenty codes.
        await trx('accounts').where({ id: accountId }).forNoKeyUpdate().first('id');
        const codes = await replaceCodes(deps, trx, accountId);
        await deps.audit.record(trx, {
          type: 'recovery-codes.renewed',
          actor: by,
          outcome: 'success',
          accountId,
          details: { codes: codes.length },
        });
        return codes;
      }),
    left: (accountId) => codesLeft(deps.postgres.db, accountId),
  };
}

/** In the transaction of whoever holds the account. */
export async function replaceCodes(deps: Deps, trx: Db, accountId: AccountId): Promise<string[]> {
  const codes = Array.from({ length: RECOVERY_CODES }, newCode);
  const createdAt = deps.clock.now();
  await deleteCodes(trx, accountId);
  await trx('recovery_codes').insert(
    codes.map((code) => ({
      account_id: accountId,
      code_hash: hashOf(deps.oneTimeKey, accountId, code),
      created_at: createdAt,
    })),
  );
  return codes;
}

/** One conditional statement; undefined for a code that there is not, or that was used. */
export async function useRecoveryCode(
  deps: Deps,
  trx: Db,
  accountId: AccountId,
  typed: string,
): Promise<{ left: number } | undefined> {
  const used = await trx('recovery_codes')
    .where({ account_id: accountId, code_hash: hashOf(deps.oneTimeKey, accountId, typed) })
    .whereNull('used_at')
    .update({ used_at: deps.clock.now() })
    .returning('account_id');
  return used.length === 0 ? undefined : { left: await codesLeft(trx, accountId) };
}

export async function codesLeft(db: Db, accountId: AccountId): Promise<number> {
  const row = await db('recovery_codes')
    .where({ account_id: accountId })
    .whereNull('used_at')
    .count({ count: '*' })
    .first();
  return Number(row?.count ?? 0);
}

export async function deleteCodes(trx: Db, accountId: AccountId): Promise<void> {
  await trx('recovery_codes').where({ account_id: accountId }).delete();
}

function newCode(): string {
  let bits = BigInt(`0x${randomBytes(BYTES).toString('hex')}`);
  let text = '';
  for (let digit = 0; digit < (BYTES * 8) / 5; digit += 1) {
    text += ALPHABET[Number(bits & 31n)];
    bits >>= 5n;
  }
  return (text.match(/.{4}/g) ?? []).join('-');
}

function hashOf(key: Buffer, accountId: AccountId, typed: string): Buffer {
  return keyedHash(key, JSON.stringify(['recovery-code', accountId, canonical(typed)]));
}

/** Without dashes, in any case, and with the letters that people take for digits (Crockford). */
function canonical(typed: string): string {
  if (typed.length > MOST_TYPED) return '';
  return typed
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[\s\p{Pd}\p{Cf}]/gu, '')
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1');
}
