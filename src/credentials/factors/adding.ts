// Adding a factor, of any kind: how many there may be, the event, and the recovery codes that come with the first one.
import type { Actor } from '../../audit/audit.ts';
import { parseName } from '../../lib/identifiers.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import type { AddedFactor } from '../schema.ts';
import type { FactorDeps } from './deps.ts';
import { codesLeft, replaceCodes } from './recovery-codes.ts';
import * as store from './store.ts';

const MOST_FACTORS = 20;
const MOST_NAME = 60;

/** As it is kept. Throws request_invalid. */
export function factorName(typed: string): string {
  const name = parseName(typed);
  if (name === undefined || [...name].length > MOST_NAME) {
    const sentence = `A name has 1 to ${MOST_NAME} characters and none that are invisible.`;
    throw failure('request_invalid', { fields: { name: sentence } });
  }
  return name;
}

/** Throws account_not_found, factor_limit and factor_exists. */
export async function addFactor(
  deps: Pick<FactorDeps, 'postgres' | 'audit' | 'clock' | 'oneTimeKey'>,
  trx: Db,
  factor: Omit<store.NewFactor, 'createdAt'>,
  by: Actor,
): Promise<AddedFactor> {
  const { accountId } = factor;
  // Held, so that of two at a time only one is the first, or the last that fits.
  const account = await trx('accounts').where({ id: accountId }).forNoKeyUpdate().first('id');
  if (account === undefined) throw failure('account_not_found', { id: accountId });
  if ((await store.count(trx, accountId)) >= MOST_FACTORS) throw failure('factor_limit');
  const added = await store.insert(trx, { ...factor, createdAt: deps.clock.now() });
  if (added === undefined) throw failure('factor_exists');
  const recoveryCodes =
    (await codesLeft(trx, accountId)) > 0 ? null : await replaceCodes(deps, trx, accountId);
  await deps.audit.record(trx, {
    type: 'factor.added',
    actor: by,
    outcome: 'success',
    accountId,
    target: { kind: 'factor', id: added.id },
    // Not the name: the ledger outlives the account.
    details: { kind: added.kind, recoveryCodes: recoveryCodes?.length ?? 0 },
  });
  return { ...added, recoveryCodes };
}
