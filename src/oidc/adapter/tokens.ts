// Everything with one secret id and an expiry: tokens, codes, pushed requests, device codes, interactions.
// One-time things are consumed by a compare-and-set that throws when it loses (RFC 6749 §4.1.2, RFC 9126 §2.2).
import Provider, { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import { tokenEvent, tokenRevoked } from './events.ts';
import { type ModelName, models } from './models.ts';
import { lifetimeSeconds, type StateDeps } from './statement.ts';
import type { StoredRow, TokenRows } from './token-rows.ts';

/** RFC 8628 §3.2: the interval a device has to keep when the answer names none; a little slack for network jitter. */
const DEVICE_POLL_SECONDS = 4.5;

export function tokenAdapter(model: ModelName, rows: TokenRows, deps: StateDeps): Adapter {
  const { sealing } = deps;

  const read = (row: StoredRow | undefined): AdapterPayload | undefined => {
    const payload = row && sealing.open(model, row.idHash, row.payload);
    if (!payload || isEnded(payload)) return undefined;
    if (row.consumedAt) payload.consumed = Math.floor(row.consumedAt.getTime() / 1000);
    return payload;
  };

  // What ends an account or a client deletes its rows in that transaction, where Redis cannot take part: what Redis holds
  // is measured by its time instead. By the later of two: a device code is older than the sign-in that allowed it, and a
  // sign-in in the second of a new password counts for the next (interactions.ts).
  const isEnded = (payload: AdapterPayload): boolean =>
    deps.fast !== undefined &&
    models[model].redis &&
    (deps.isCutOff?.({
      accountId: payload.accountId ?? null,
      clientId: payload.clientId ?? null,
      atSeconds: Math.max(payload.iat ?? 0, payload.authTime ?? 0),
    }) ??
      false);

  return {
    async upsert(id, payload, expiresIn) {
      const idHash = sealing.idHash(id);
      const row = {
        idHash,
        model,
        grantId: payload.grantId ?? null,
        accountId: payload.accountId ?? null,
        clientId: payload.clientId ?? null,
        userCodeHash: payload.userCode ? sealing.userCodeHash(payload.userCode) : null,
        payload: sealing.seal(model, idHash, payload),
        lifetimeSeconds: lifetimeSeconds(payload, expiresIn),
        again: model === 'Interaction' && payload.result !== undefined,
      };
      await rows.save(row, tokenEvent(model, idHash, payload));
    },

    async find(id) {
      const idHash = sealing.idHash(id);
      if (model === 'DeviceCode' && atTokenEndpoint()) return pollDeviceCode(idHash);
      const row = await rows.find(model, idHash);
      const payload = read(row);
      if (payload && model === 'RefreshToken') refuseWithinGrace(row, deps.refreshGraceSeconds);
      return noteOwner(payload);
    },

    async findByUserCode(userCode) {
      if (model !== 'DeviceCode') return undefined;
      return read(await rows.findByUserCode(model, sealing.userCodeHash(userCode)));
    },

    async consume(id) {
      if (!(await rows.consume(model, sealing.idHash(id)))) throw alreadyUsed(model);
    },

    async destroy(id) {
      const idHash = sealing.idHash(id);
      const removed = await rows.remove(model, idHash, tokenRevoked(model, idHash));
      if (model === 'Interaction' && !removed && isResuming()) {
        throw new errors.SessionNotFound('this sign-in was finished a moment ago');
      }
    },

    async revokeByGrantId(grantId) {
      if (grantId) await rows.removeOfGrant(model, grantId);
    },

    findByUid: async () => undefined,
  };

  async function pollDeviceCode(idHash: Buffer): Promise<AdapterPayload | undefined> {
    const row = await rows.poll(idHash, DEVICE_POLL_SECONDS);
    const payload = read(row);
    if (payload && row?.tooSoon && !payload.accountId && !payload.error) throw new errors.SlowDown();
    return noteOwner(payload);
  }
}

/** The engine drops a used code before it reports the reuse; whose it was is read from here for the ledger. */
function noteOwner(payload: AdapterPayload | undefined): AdapterPayload | undefined {
  if (payload?.consumed && Provider.ctx) Provider.ctx.state.ownerOfUsed = payload.accountId;
  return payload;
}

function atTokenEndpoint(): boolean {
  return Provider.ctx?.oidc?.route === 'token';
}

/**
 * A browser that lost the answer of its rotation sends the old token again at once (two tabs, a dropped connection). For
 * public clients that is refused without revoking the family; any later, or from a confidential client, it is theft
 * (RFC 9700 §4.14.2) and the engine revokes everything.
 */
function refuseWithinGrace(row: StoredRow | undefined, graceSeconds: number): void {
  if (row?.consumedSecondsAgo == null || row.consumedSecondsAgo > graceSeconds) return;
  const publicClient = Provider.ctx?.oidc?.client?.clientAuthMethod === 'none';
  if (atTokenEndpoint() && publicClient) {
    throw new errors.InvalidGrant('refresh token was rotated a moment ago');
  }
}

/** A form sent twice at once comes here twice; only one of them may begin a session. */
function isResuming(): boolean {
  const route = Provider.ctx?.oidc?.route;
  return route === 'resume' || route === 'device_resume';
}

function alreadyUsed(model: ModelName): Error {
  if (model === 'PushedAuthorizationRequest') {
    return new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used');
  }
  return new errors.InvalidGrant(`${model} was already used`);
}
