// Everything with one secret id and an expiry: tokens, codes, pushed requests, device codes, interactions.
// One-time things are consumed by a compare-and-set that throws when it loses (RFC 6749 §4.1.2, RFC 9126 §2.2).
import Provider, { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import { tokenEvent, tokenRevoked } from './events.ts';
import { type ModelName, models } from './models.ts';
import { lifetimeSeconds, runWithEvent, type StateDeps } from './statement.ts';

/** RFC 8628 §3.2: the interval a device has to keep when the answer names none; a little slack for network jitter. */
const DEVICE_POLL_SECONDS = 4.5;

interface Row {
  payload: Buffer;
  consumed_at: Date | null;
  consumed_seconds_ago: number | null;
}

export function tokenAdapter(model: ModelName, deps: StateDeps): Adapter {
  const { db, sealing } = deps;
  const { table } = models[model];
  const withUserCode = table === 'oidc_transients';

  const read = (idHash: Buffer, row: Row | undefined): AdapterPayload | undefined => {
    if (!row) return undefined;
    const payload = sealing.open(model, idHash, row.payload);
    if (payload && row.consumed_at) payload.consumed = Math.floor(row.consumed_at.getTime() / 1000);
    return payload;
  };

  return {
    async upsert(id, payload, expiresIn) {
      const idHash = sealing.idHash(id);
      const columns = ['id_hash', 'model', 'grant_id', 'account_id', 'client_id', 'payload'];
      const values: unknown[] = [
        idHash,
        model,
        payload.grantId ?? null,
        payload.accountId ?? null,
        payload.clientId ?? null,
        sealing.seal(model, idHash, payload),
      ];
      if (withUserCode) {
        columns.push('user_code_hash');
        values.push(payload.userCode ? sealing.userCodeHash(payload.userCode) : null);
      }
      // consumed_at is left alone on conflict: saving a thing again never makes it fresh.
      await runWithEvent(
        db,
        {
          sql: `insert into ${table} (${columns.join(', ')}, expires_at)
            values (${columns.map(() => '?').join(', ')}, now() + make_interval(secs => ?))
            on conflict (id_hash) do update set grant_id = excluded.grant_id, account_id = excluded.account_id,
              payload = excluded.payload, expires_at = excluded.expires_at
            returning 1 as stored`,
          bindings: [...values, lifetimeSeconds(payload, expiresIn)],
        },
        tokenEvent(model, idHash, payload),
      );
    },

    async find(id) {
      const idHash = sealing.idHash(id);
      const polled = model === 'DeviceCode' && atTokenEndpoint();
      const row = polled ? await pollDeviceCode(deps, idHash) : await findRow(deps, model, idHash);
      const payload = read(idHash, row);
      if (payload && polled && row?.too_soon && !payload.accountId && !payload.error) {
        throw new errors.SlowDown();
      }
      if (payload && model === 'RefreshToken') refuseWithinGrace(row, deps.refreshGraceSeconds);
      // The engine drops the code before it reports the reuse; whose it was is read from here for the ledger.
      if (payload?.consumed && Provider.ctx) Provider.ctx.state.ownerOfUsed = payload.accountId;
      return payload;
    },

    async findByUserCode(userCode) {
      if (!withUserCode) return undefined;
      const row = await db(table)
        .select('id_hash', 'payload', 'consumed_at')
        .where({ user_code_hash: sealing.userCodeHash(userCode), model })
        .andWhereRaw('expires_at > now()')
        .first();
      return row && read(row.id_hash, row);
    },

    async consume(id) {
      const taken = await db(table)
        .where({ id_hash: sealing.idHash(id), model })
        .whereNull('consumed_at')
        .update({ consumed_at: db.raw('now()') })
        .returning('id_hash');
      if (taken.length === 0) throw alreadyUsed(model);
    },

    async destroy(id) {
      const idHash = sealing.idHash(id);
      const event = tokenRevoked(model, idHash);
      await runWithEvent(
        db,
        {
          sql: `delete from ${table} where id_hash = ? and model = ? returning id_hash`,
          bindings: [idHash, model],
        },
        event,
      );
    },

    async revokeByGrantId(grantId) {
      if (!grantId) return;
      await db(table).where({ grant_id: grantId, model }).delete();
    },

    findByUid: async () => undefined,
  };
}

async function findRow({ db }: StateDeps, model: ModelName, idHash: Buffer) {
  const row: (Row & { too_soon?: boolean }) | undefined = await db(models[model].table)
    .select(
      'payload',
      'consumed_at',
      db.raw('extract(epoch from now() - consumed_at)::float as consumed_seconds_ago'),
    )
    .where({ id_hash: idHash, model })
    .andWhereRaw('expires_at > now()')
    .first();
  return row;
}

/** Reads a device code and notes the poll in one statement, so that two processes see one rhythm. */
async function pollDeviceCode({ db }: StateDeps, idHash: Buffer) {
  const result: { rows: (Row & { too_soon: boolean })[] } = await db.raw(
    `with before as (select id_hash, polled_at from oidc_transients where id_hash = ? and model = 'DeviceCode' for update)
     update oidc_transients set polled_at = now() from before
     where oidc_transients.id_hash = before.id_hash and expires_at > now()
     returning payload, consumed_at, null::float as consumed_seconds_ago,
       coalesce(before.polled_at > now() - make_interval(secs => ?), false) as too_soon`,
    [idHash, DEVICE_POLL_SECONDS],
  );
  return result.rows[0];
}

function atTokenEndpoint(): boolean {
  return Provider.ctx?.oidc?.route === 'token';
}

/**
 * A browser that lost the answer of its rotation sends the old token again at once (two tabs, a dropped connection). For
 * public clients that is refused without revoking the family; any later, or from a confidential client, it is theft
 * (RFC 9700 §4.14.2) and the engine revokes everything.
 */
function refuseWithinGrace(row: Row | undefined, graceSeconds: number): void {
  if (row?.consumed_seconds_ago == null || row.consumed_seconds_ago > graceSeconds) return;
  const publicClient = Provider.ctx?.oidc?.client?.clientAuthMethod === 'none';
  if (atTokenEndpoint() && publicClient) {
    throw new errors.InvalidGrant('refresh token was rotated a moment ago');
  }
}

function alreadyUsed(model: ModelName): Error {
  if (model === 'PushedAuthorizationRequest') {
    return new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used');
  }
  return new errors.InvalidGrant(`${model} was already used`);
}
