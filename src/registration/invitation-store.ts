// All SQL of invitations to organizations: rows in, records out. None is listed or changed without its organization.
import type { InvitationId, OrganizationId } from '../lib/ids.ts';
import { mapping } from '../platform/database/mapping.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Invitation, OpenInvitation } from './schema.ts';

const { columns, rowOf, recordOf } = mapping<Invitation>({
  id: 'plain',
  organizationId: 'plain',
  teamId: 'plain',
  email: 'plain',
  invitedBy: 'plain',
  createdAt: 'plain',
  expiresAt: 'plain',
  acceptedAt: 'plain',
  revokedAt: 'plain',
});

export async function insertInvitation(
  trx: Db,
  invitation: Invitation,
  secret: { normalized: string; linkHash: Buffer },
): Promise<void> {
  const { normalized, linkHash } = secret;
  await trx('organization_invitations').insert({ ...rowOf(invitation), normalized, link_hash: linkHash });
}

const ofOrganization = (db: Db, organizationId: OrganizationId) =>
  db('organization_invitations').where({ organization_id: organizationId });

/** Newest first: ids carry their time. */
export async function listInvitations(
  db: Db,
  organizationId: OrganizationId,
  before: string | undefined,
  limit: number,
): Promise<Invitation[]> {
  const query = ofOrganization(db, organizationId).select(columns).orderBy('id', 'desc').limit(limit);
  if (before !== undefined) query.where('id', '<', before);
  return (await query).map(recordOf);
}

export async function findInvitation(
  db: Db,
  organizationId: OrganizationId,
  id: InvitationId,
): Promise<Invitation | undefined> {
  const row = await ofOrganization(db, organizationId).where({ id }).first(columns);
  return row && recordOf(row);
}

/** Those for the same address end. The ids of what ended. */
export async function revokeEarlier(
  trx: Db,
  organizationId: OrganizationId,
  normalized: string,
  now: Date,
): Promise<InvitationId[]> {
  const rows = await ofOrganization(trx, organizationId)
    .where({ normalized })
    .whereNull('accepted_at')
    .whereNull('revoked_at')
    .where('expires_at', '>', now)
    .update({ revoked_at: now })
    .returning('id');
  return rows.map((row) => row.id);
}

/** One that was not accepted and not taken back. */
export async function changeOpen(
  trx: Db,
  organizationId: OrganizationId,
  id: InvitationId,
  change: { revoked_at: Date } | { link_hash: Buffer; expires_at: Date; sent_at: Date },
): Promise<Invitation | undefined> {
  const [row] = await ofOrganization(trx, organizationId)
    .where({ id })
    .whereNull('accepted_at')
    .whereNull('revoked_at')
    .update('sent_at' in change ? { ...change, sent_count: countedFrom(trx, change.sent_at) } : change)
    .returning(columns);
  return row && recordOf(row);
}

const DAY_MILLISECONDS = 86_400_000;
const dayBefore = (at: Date) => new Date(at.getTime() - DAY_MILLISECONDS);

/** Counts anew once the last one is a day old: never fewer than were sent in a day. */
function countedFrom(trx: Db, now: Date) {
  const isCounted = 'coalesce(sent_at, created_at) > ?';
  return trx.raw(`case when ${isCounted} then sent_count + 1 else 1 end`, [dayBefore(now)]);
}

/**
 * Seconds until one more may be sent, when those of the last day, this one included, are too many. Whoever sends at the same
 * time to the same address or for the same organization waits here.
 */
export async function waitAfter(
  trx: Db,
  { organizationId, normalized }: { organizationId: OrganizationId; normalized: string },
  most: { toAddress: number; ofOrganization: number },
  now: Date,
): Promise<number | undefined> {
  await trx.raw(
    `select pg_advisory_xact_lock(hashtextextended('invitations:' || key, 0))
     from unnest(cast(? as text[])) as key order by hashtextextended(key, 0)`,
    [[normalized, organizationId]],
  );
  const { rows } = await trx.raw<{ rows: { oldest: Date | null }[] }>(
    `select min(oldest) as oldest from (
       select sum(sent_count) as sent, min(coalesce(sent_at, created_at)) as oldest, cast(:toAddress as int) as most
         from organization_invitations where normalized = :normalized and coalesce(sent_at, created_at) > :since
       union all
       select sum(sent_count), min(coalesce(sent_at, created_at)), cast(:ofOrganization as int)
         from organization_invitations where organization_id = :organizationId and coalesce(sent_at, created_at) > :since
     ) as counted where sent > most`,
    { ...most, normalized, organizationId, since: dayBefore(now) },
  );
  const oldest = rows[0]?.oldest;
  if (!oldest) return undefined;
  return Math.max(1, Math.ceil((oldest.getTime() - dayBefore(now).getTime()) / 1000));
}

/** As long as it can be accepted: its organization is active, and its team is there. */
export async function findOpen(
  db: Db,
  by: { link_hash: Buffer } | { id: InvitationId },
  now: Date,
): Promise<OpenInvitation | undefined> {
  const [[column, value] = ['id', '']] = Object.entries(by);
  return open(db, now).where(`i.${column}`, value).first();
}

const MOST_OPEN = 50;

/** Those for one address, the newest first. */
export async function listOpen(db: Db, normalized: string, now: Date): Promise<OpenInvitation[]> {
  return open(db, now).where('i.normalized', normalized).orderBy('i.id', 'desc').limit(MOST_OPEN);
}

function open(db: Db, now: Date) {
  return db('organization_invitations as i')
    .join('organizations as o', 'o.id', 'i.organization_id')
    .leftJoin('teams as t', 't.id', 'i.team_id')
    .where('o.status', 'active')
    .whereNull('i.accepted_at')
    .whereNull('i.revoked_at')
    .where('i.expires_at', '>', now)
    .select(
      'i.id',
      'i.organization_id as organizationId',
      'i.team_id as teamId',
      'o.name as organizationName',
      't.name as teamName',
      'i.email',
      'i.normalized',
      'i.expires_at as expiresAt',
    );
}

/** One statement: an invitation is good for one account, and for the address it was sent to. */
export async function accept(
  trx: Db,
  id: InvitationId,
  normalized: string,
  now: Date,
): Promise<Invitation | undefined> {
  const [row] = await trx('organization_invitations')
    .where({ id, normalized })
    .whereNull('accepted_at')
    .whereNull('revoked_at')
    .where('expires_at', '>', now)
    .whereExists(
      trx('organizations').whereRaw('id = organization_id').where({ status: 'active' }).select('id'),
    )
    .update({ accepted_at: now })
    .returning(columns);
  return row && recordOf(row);
}
