// All SQL of the doctor: what the database is like, and what is registered in it. It only reads.
import type { Db } from '../platform/database/postgres.ts';
import type { DatabaseFacts, StoredFacts } from './facts.ts';

export async function databaseFacts(db: Db): Promise<DatabaseFacts> {
  const { rows } = await db.raw(`
    select current_setting('server_version') as version,
      current_setting('server_version_num')::integer as version_number,
      (select rolsuper from pg_roles where rolname = current_user) as is_superuser,
      has_schema_privilege(current_schema(), 'create') as can_create,
      current_setting('max_connections')::integer as maximum_connections,
      (select count(*)::integer from pg_stat_activity where backend_type = 'client backend') as used_connections,
      (select pg_encoding_to_char(encoding) from pg_database where datname = current_database()) as encoding,
      current_setting('fsync') = 'on' as fsync,
      current_setting('synchronous_commit') as synchronous_commit,
      case when inet_client_addr() is null then null
        else coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) end as encrypted,
      clock_timestamp() as now`);
  const [row] = rows;
  return {
    version: row.version,
    versionNumber: row.version_number,
    isSuperuser: row.is_superuser,
    canCreate: row.can_create,
    maximumConnections: row.maximum_connections,
    usedConnections: row.used_connections,
    encoding: row.encoding,
    fsync: row.fsync,
    synchronousCommit: row.synchronous_commit,
    encrypted: row.encrypted,
    now: row.now,
    measuredAt: new Date(),
  };
}

export async function storedFacts(db: Db): Promise<Omit<StoredFacts, 'pendingMigrations'>> {
  const signingKeys = await db('signing_keys').select(
    'algorithm',
    'state',
    'created_at as createdAt',
    'activated_at as activatedAt',
  );
  const exempted = await db('clients').where({ pkce_exempt: true }).orderBy('id').limit(100).select('id');
  const jobs: { name: string; is_failing: boolean; is_late: boolean }[] = await db('jobs').select(
    'name',
    db.raw(`last_outcome = 'failed' as is_failing`),
    // Every job that is due runs within seconds; one that is not was not seen by any server.
    db.raw(
      `(running_until is null or running_until < now()) and next_run_at < now() - interval '10 minutes' as is_late`,
    ),
  );
  const { rows } = await db.raw(`
    select (select count(*)::integer from accounts where admin and status = 'active') as active_admins,
      (select count(*)::integer from accounts a join passwords p on p.account_id = a.id
        where a.admin and a.status = 'active' and not exists (
          select 1 from factors f where f.account_id = a.id and f.kind <> 'mail')) as admins_without_factor,
      coalesce((select revoked_at is null from api_keys join single_user_owner using (account_id)
        order by api_keys.created_at limit 1), false) as has_printed_key,
      (select max(occurred_at) from audit_events) as newest_event_at,
      (select count(*)::integer from messages where state = 'failed') as failed_messages,
      (select count(*)::integer from messages
        where state = 'waiting' and created_at < now() - interval '1 hour') as late_messages,
      exists (select 1 from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = 'audit_events'::regclass
          and relname = 'audit_events_' || to_char(now() at time zone 'UTC' + interval '1 month', 'YYYY_MM')) as next_month_ready`);
  return {
    signingKeys,
    exemptedClients: exempted.map(({ id }: { id: string }) => id),
    activeAdmins: rows[0].active_admins,
    adminsWithoutFactor: rows[0].admins_without_factor,
    hasPrintedKey: rows[0].has_printed_key,
    newestEventAt: rows[0].newest_event_at,
    nextMonthReady: rows[0].next_month_ready,
    failedMessages: rows[0].failed_messages,
    lateMessages: rows[0].late_messages,
    failingJobs: jobs.filter((job) => job.is_failing).map(({ name }) => name),
    lateJobs: jobs.filter((job) => job.is_late).map(({ name }) => name),
  };
}
