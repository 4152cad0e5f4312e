// What the contract suite of engine state needs: a store with hands behind its back, and things to put into it.
import { randomUUID } from 'node:crypto';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { StateStore } from '../../src/oidc/adapter/adapter.ts';
import { type ModelName, models } from '../../src/oidc/adapter/models.ts';
import type { EndedParticipant } from '../../src/oidc/adapter/session-clients.ts';
import type { EngineState } from '../../src/oidc/engine-state.ts';
import type { Db } from '../../src/platform/database/postgres.ts';

/** A store under test, and the hands that reach behind its back. */
export interface StoreUnderTest {
  readonly store: StateStore;
  readonly state: EngineState;
  /** Clients that are to be told of ended sessions, in the order in which they were noted. */
  readonly told: readonly EndedParticipant[];
  /** For calls that take a transaction. */
  readonly db: Db;
  /** As if the time of this thing was over. */
  expire(model: ModelName, id: string): Promise<void>;
  /** Changes one bit of what is stored for it. */
  damage(model: ModelName, id: string): Promise<void>;
  /** Puts what is stored for one id under the other one. */
  copy(model: ModelName, from: string, to: string): Promise<void>;
  isStored(model: ModelName, id: string): Promise<boolean>;
  /** Models whose things go at their end without the clean-up. */
  readonly goByThemselves?: readonly ModelName[];
  /** Types of the ledger's events, in their order. */
  eventTypes(): Promise<string[]>;
  /** While this runs, the ledger takes no events. */
  withoutLedger(run: () => Promise<void>): Promise<void>;
}

export type Make = (model: ModelName) => Adapter;

export const HOUR = 3600;
/** ReplayDetection is no adapter: it is asked through `unseen`. */
export const names = (Object.keys(models) as ModelName[]).filter((name) => name !== 'ReplayDetection');
export const stored = names.map((name) => [name] as const);
export const consumable = names.filter((name) => models[name].consumable).map((name) => [name] as const);
export const grantable = names
  .filter((name) => ['oidc_tokens', 'oidc_transients'].includes(models[name].table))
  .map((name) => [name] as const);

/** An id and a payload as the engine would store them. */
export function thing(
  model: ModelName,
  more: Record<string, unknown> = {},
): [id: string, payload: AdapterPayload] {
  const id = randomUUID();
  const now = Math.floor(Date.now() / 1000);
  const bound = { accountId: `acc_${randomUUID()}`, clientId: `app_${randomUUID()}` };
  const session = model === 'Session' ? { uid: randomUUID() } : {};
  const grant = grantable.some(([name]) => name === model) ? { grantId: randomUUID() } : {};
  return [id, { kind: model, jti: id, iat: now, exp: now + HOUR, ...bound, ...session, ...grant, ...more }];
}
