// Which clients take part in a session: rows of their own, merged into what the engine reads. Two requests that save one
// session at once would otherwise take each other's client away, which then never hears that the session ended.
import type { AdapterPayload } from 'oidc-provider';

type Authorizations = NonNullable<AdapterPayload['authorizations']>;
type Authorization = Authorizations[string];

export interface SessionClient {
  readonly client_id: string;
  readonly sid: string;
  readonly grant_id: string | null;
  readonly persists_logout: boolean;
}

/** A client that took part in an ended session. */
export interface EndedParticipant {
  readonly clientId: string;
  readonly accountId: string;
  readonly sid: string | null;
}

/** The clients of the session in `from`, as a column of a query; null when there are none. The newest is the last. */
export function clientsColumn(from: string): string {
  return `(select json_agg(json_build_object('client_id', c.client_id, 'sid', c.sid, 'grant_id', c.grant_id,
      'persists_logout', c.persists_logout) order by c.updated_at)
    from oidc_session_clients c where c.uid_hash = ${from}.uid_hash) as clients`;
}

/** The payload as the engine shall see it: with the clients that others have added since it was sealed. */
export function withClients(
  payload: AdapterPayload,
  clients: readonly SessionClient[] | null,
): AdapterPayload {
  if (clients === null) return payload;
  const authorizations: Authorizations = { ...payload.authorizations };
  for (const { client_id, sid, grant_id, persists_logout } of clients) {
    authorizations[client_id] = {
      ...authorizations[client_id],
      sid,
      ...(grant_id === null ? {} : { grantId: grant_id }),
      ...(persists_logout ? { persistsLogout: true } : {}),
    };
  }
  return { ...payload, authorizations };
}

/** Everybody who took part, by the sealed payload and by the rows: of one client there may be two, from two tabs. */
export function participantsOf(
  accountId: string,
  payload: AdapterPayload | undefined,
  clients: readonly SessionClient[] | null,
): EndedParticipant[] {
  const sealed = Object.entries(payload?.authorizations ?? {}).map(([clientId, { sid }]) => [clientId, sid]);
  const rows = (clients ?? []).map(({ client_id, sid }) => [client_id, sid]);
  const all = new Map([...sealed, ...rows].map((pair) => [pair.join('\n'), pair]));
  return [...all.values()].map(([clientId = '', sid]) => ({ clientId, accountId, sid: sid ?? null }));
}

/** Every grant that was made or used in the session. */
export function grantsOf(
  payload: AdapterPayload | undefined,
  clients: readonly SessionClient[] | null,
): string[] {
  const sealed = Object.values(payload?.authorizations ?? {}).map(({ grantId }) => grantId);
  const rows = (clients ?? []).map(({ grant_id }) => grant_id);
  return [...new Set([...sealed, ...rows])].filter((id) => typeof id === 'string');
}

/** The grants that end with the session; what outlives a sign-out on purpose (offline access) is left out. */
export function endingGrants(
  payload: AdapterPayload | undefined,
  clients: readonly SessionClient[] | null,
): string[] {
  const sealed = Object.values(payload?.authorizations ?? {})
    .filter(({ persistsLogout }) => !persistsLogout)
    .map(({ grantId }) => grantId);
  const rows = (clients ?? [])
    .filter(({ persists_logout }) => !persists_logout)
    .map(({ grant_id }) => grant_id);
  return [...new Set([...sealed, ...rows])].filter((id) => typeof id === 'string');
}

/** What a request did to the clients of a session; undefined when it left them as it found them. */
export function changeOfClients(
  uidHash: Buffer,
  before: Authorizations | undefined,
  after: Authorizations | undefined,
): { sql: string; bindings: unknown[] } | undefined {
  const joined = Object.entries(after ?? {}).filter(
    ([clientId, now]) => now.sid !== undefined && !isSame(before?.[clientId], now),
  );
  const left = Object.keys(before ?? {}).filter((clientId) => after?.[clientId] === undefined);
  if (joined.length === 0 && left.length === 0) return undefined;
  const rows = joined.map(([client_id, { sid, grantId, persistsLogout }]) => ({
    client_id,
    sid,
    grant_id: grantId ?? null,
    persists_logout: persistsLogout === true,
  }));
  return { sql: SAVE, bindings: [uidHash, JSON.stringify(rows), uidHash, left] };
}

// Also when the session itself was not saved because another request gave it a new id meanwhile: the client has its code.
// The lock makes it wait for an end of the session under way, after which there is nothing to take part in.
const SAVE = `alive as (
    select uid_hash from changed
    union all
    select uid_hash from (select uid_hash from oidc_sessions where uid_hash = ? for key share) as held
      where not exists (select 1 from changed)),
  joined as (
    insert into oidc_session_clients (uid_hash, client_id, sid, grant_id, persists_logout)
    select alive.uid_hash, given.* from alive, json_to_recordset(?::json)
      as given(client_id text, sid text, grant_id text, persists_logout boolean)
    on conflict (uid_hash, client_id, sid) do update set grant_id = excluded.grant_id,
      persists_logout = excluded.persists_logout, updated_at = now()),
  gone as (delete from oidc_session_clients where uid_hash = ? and client_id = any(?::text[]))`;

function isSame(before: Authorization | undefined, now: Authorization): boolean {
  return (
    before?.sid === now.sid &&
    before?.grantId === now.grantId &&
    (before?.persistsLogout === true) === (now.persistsLogout === true)
  );
}
