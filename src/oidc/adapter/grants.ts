// Grants: what a person, in one session, allowed a client to do. A grant id is a name, not a credential, so it stands in clear.
import Provider, { type Adapter, type AdapterPayload } from 'oidc-provider';
import type { Actor, NewEvent } from '../../audit/audit.ts';
import { createLoaded, lifetimeSeconds, type StateDeps } from './statement.ts';
import { type ChangeShape, changeOf, createChangeBatch, createReadBatch } from './together.ts';

export function grantAdapter({ db, sealing }: StateDeps): Adapter {
  const loaded = createLoaded();
  const found = createReadBatch<string, { id: string; payload: Buffer }>(db, {
    name: 'oidc_grants_find',
    sql: 'select id, payload from oidc_grants where id = any(?::text[]) and expires_at > now()',
    idOf: (row) => row.id,
  });
  const changes = {
    insert: createChangeBatch(db, insertion),
    update: createChangeBatch(db, update),
    removal: createChangeBatch(db, removal),
  };

  return {
    async upsert(id, payload, expiresIn) {
      const sealed = sealing.seal('Grant', sealing.idHash(id), payload);
      const given = {
        key: id,
        payload: sealed.toString('base64'),
        seconds: lifetimeSeconds(payload, expiresIn),
      };
      if (loaded.has(id)) {
        await changes.update.run(changeOf(given, undefined));
        return;
      }
      const owners = { account_id: payload.accountId ?? null, client_id: payload.clientId ?? null };
      await changes.insert.run(changeOf({ ...given, ...owners }, grantEvent('grant.created', id, payload)));
    },

    async find(id) {
      const row = await found.run(id);
      if (row) loaded.note(id);
      return row && sealing.open('Grant', sealing.idHash(id), row.payload);
    },

    async destroy(id) {
      const grant = await this.find(id);
      if (grant) await changes.removal.run(changeOf({ key: id }, grantEvent('grant.revoked', id, grant)));
    },

    findByUid: absent,
    findByUserCode: absent,
    consume: nothing,
    revokeByGrantId: nothing,
  };
}

const locked = (wait: '' | 'nowait') => `locked as materialized (
  select oidc_grants.id from oidc_grants join given on oidc_grants.id = given.key for update of oidc_grants ${wait})`;

const insertion: ChangeShape = {
  name: 'oidc_grants_insert',
  record: 'account_id text, client_id text, payload text, seconds float',
  eventUnless: 'exists (select 1 from oidc_grants where oidc_grants.id = given.key)',
  change: (wait) => `${locked(wait)},
    changed as (
      insert into oidc_grants (id, account_id, client_id, payload, expires_at)
      select key, account_id, client_id, decode(payload, 'base64'), now() + make_interval(secs => seconds)
      from given where (select count(*) from locked) >= 0
      on conflict (id) do update set payload = excluded.payload, expires_at = excluded.expires_at
      returning id as key)`,
};

const update: ChangeShape = {
  name: 'oidc_grants_update',
  record: 'payload text, seconds float',
  change: (wait) => `${locked(wait)},
    changed as (
      update oidc_grants set payload = decode(given.payload, 'base64'),
        expires_at = now() + make_interval(secs => given.seconds)
      from given join locked on locked.id = given.key where oidc_grants.id = given.key
      returning given.key as key)`,
};

const removal: ChangeShape = {
  name: 'oidc_grants_remove',
  change: (wait) => `${locked(wait)},
    changed as (delete from oidc_grants using locked where oidc_grants.id = locked.id returning oidc_grants.id as key)`,
};

function grantEvent(type: 'grant.created' | 'grant.revoked', id: string, payload: AdapterPayload): NewEvent {
  return {
    type,
    actor: actorOf(payload),
    outcome: 'success',
    accountId: payload.accountId ?? null,
    clientId: payload.clientId ?? null,
    target: { kind: 'grant', id },
    // A field of our own (consent/grant-organization.ts), which the typings of the payload do not know.
    ...('organizationId' in payload && { details: { organizationId: payload.organizationId } }),
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
