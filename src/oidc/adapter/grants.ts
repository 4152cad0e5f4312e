// Grants: what a person, in one session, allowed a client to do. A grant id is a name, not a credential, so it stands in clear.
import Provider, { type Adapter, type AdapterPayload } from 'oidc-provider';
import type { Actor, NewEvent } from '../../audit/audit.ts';
import { createLoaded, lifetimeSeconds, runWithEvent, type StateDeps } from './statement.ts';

export function grantAdapter({ db, sealing }: StateDeps): Adapter {
  const loaded = createLoaded();
  return {
    async upsert(id, payload, expiresIn) {
      const sealed = sealing.seal('Grant', sealing.idHash(id), payload);
      const lifetime = lifetimeSeconds(payload, expiresIn);
      if (loaded.has(id)) {
        await db.raw(
          'update oidc_grants set payload = ?, expires_at = now() + make_interval(secs => ?) where id = ?',
          [sealed, lifetime, id],
        );
        return;
      }
      await runWithEvent(
        db,
        {
          sql: `insert into oidc_grants (id, account_id, client_id, payload, expires_at)
            values (?, ?, ?, ?, now() + make_interval(secs => ?))
            on conflict (id) do update set payload = excluded.payload, expires_at = excluded.expires_at
            returning id`,
          bindings: [id, payload.accountId, payload.clientId, sealed, lifetime],
        },
        grantEvent('grant.created', id, payload),
        { sql: 'select 1 from oidc_grants where id = ?', bindings: [id] },
      );
    },

    async find(id) {
      const row = await db('oidc_grants')
        .select('payload')
        .where({ id })
        .andWhereRaw('expires_at > now()')
        .first();
      if (row) loaded.note(id);
      return row && sealing.open('Grant', sealing.idHash(id), row.payload);
    },

    async destroy(id) {
      const grant = await this.find(id);
      if (!grant) return;
      await runWithEvent(
        db,
        { sql: 'delete from oidc_grants where id = ? returning id', bindings: [id] },
        grantEvent('grant.revoked', id, grant),
      );
    },

    findByUid: absent,
    findByUserCode: absent,
    consume: nothing,
    revokeByGrantId: nothing,
  };
}

function grantEvent(type: 'grant.created' | 'grant.revoked', id: string, payload: AdapterPayload): NewEvent {
  return {
    type,
    actor: actorOf(payload),
    outcome: 'success',
    accountId: payload.accountId ?? null,
    clientId: payload.clientId ?? null,
    target: { kind: 'grant', id },
    reason: type === 'grant.revoked' ? (Provider.ctx?.oidc?.route ?? null) : null,
  };
}

/** At the token and revocation endpoints the client acts; on pages the person does. */
function actorOf(payload: AdapterPayload): Actor {
  const route = Provider.ctx?.oidc?.route;
  if (route === 'token' || route === 'revocation') return { kind: 'client', id: payload.clientId ?? null };
  return { kind: 'account', id: payload.accountId ?? null };
}

async function absent(): Promise<undefined> {}
async function nothing(): Promise<void> {}
