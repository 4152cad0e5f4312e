// Clean-up beside traffic: what is past its time goes by itself, on one node at a time, and no request waits for it.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Db } from '../../src/platform/database/postgres.ts';
import { useCluster } from '../support/cluster.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createClient } from '../support/people.ts';

async function fillWithExpired(db: Db, rows: number): Promise<void> {
  await db.raw(
    `insert into oidc_tokens (id_hash, model, account_id, client_id, payload, expires_at)
     select sha256(('expired' || n)::bytea), 'AccessToken', 'acc_' || n % 1000, 'client', '\\x00', now() - interval '1 day'
     from generate_series(1, ?::integer) n`,
    [rows],
  );
}

const remaining = async (db: Db) =>
  Number((await db('oidc_tokens').whereRaw('expires_at <= now()').count('* as n'))[0]?.n);

describe('clean-up of fifty thousand expired tokens', () => {
  const gatehouse = useGatehouse();
  const ROWS = 50_000;
  const SLOWEST_MILLISECONDS = 2_000;

  it('lets every token request through, none slow, and ends accounts beside it without a deadlock', async () => {
    const { services, issuer } = gatehouse;
    const { db } = gatehouse.database;
    const api = await createApi(services, { tokenFormat: 'opaque' });
    const { client, secret } = await createClient(services, {
      kind: 'machine',
      grantTypes: ['client_credentials'],
      apis: [{ audience: api.audience, permissions: ['*'] }],
    });
    const authorization = `Basic ${Buffer.from(`${client.id}:${secret}`).toString('base64')}`;
    const ask = async () => {
      const body = new URLSearchParams({ grant_type: 'client_credentials', resource: api.audience });
      const begun = performance.now();
      const response = await fetch(`${issuer}/token`, { method: 'POST', body, headers: { authorization } });
      await response.arrayBuffer();
      return { status: response.status, milliseconds: performance.now() - begun };
    };
    await ask();
    await fillWithExpired(db, ROWS);

    const state = { ended: false };
    const cleaned = Promise.all(
      // Two at once, as when a node lost its claim and has not noticed.
      [1, 2].map(() => services.jobs.find(({ name }) => name === 'remove-expired-engine-state')?.run()),
    ).finally(() => {
      state.ended = true;
    });
    const answers: Awaited<ReturnType<typeof ask>>[] = [];
    const callers = Array.from({ length: 4 }, async () => {
      while (!state.ended) answers.push(await ask());
    });
    // Deletes the same rows in another order.
    const endings = (async () => {
      for (let n = 0; !state.ended && n < 1000; n += 1) {
        await db('oidc_tokens')
          .where({ account_id: `acc_${n}` })
          .delete();
        await delay(5);
      }
    })();
    await Promise.all([cleaned, endings, ...callers]);

    expect(await remaining(db)).toBe(0);
    expect(answers.length).toBeGreaterThan(20);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(Math.max(...answers.map(({ milliseconds }) => milliseconds))).toBeLessThan(SLOWEST_MILLISECONDS);
  }, 120_000);
});

describe('two servers on one database', () => {
  const cluster = useCluster({ size: 2 });

  it('C17: scheduled clean-up runs by itself, one runner at a time, and leaves what is not past its time', async () => {
    const { db } = cluster.database;
    await db.raw(`
      create table claims (job text, runner text);
      create function note_claim() returns trigger language plpgsql as $$
      begin
        if new.runner is not null and old.runner is distinct from new.runner then
          insert into claims values (new.name, new.runner);
        end if;
        return new;
      end $$;
      create trigger note_claims after update on jobs for each row execute function note_claim();`);
    await settled(db);
    await fillWithExpired(db, 3_000);
    await db.raw(`
      insert into oidc_tokens (id_hash, model, client_id, payload, expires_at)
        values (sha256('alive'), 'AccessToken', 'client', '\\x00', now() + interval '1 hour');
      insert into sign_in_attempts (identifier, address, failures, expires_at)
        values ('\\x01', '\\x01', 3, now() - interval '1 hour'), ('\\x02', '\\x02', 3, now() + interval '1 hour');
      insert into audit_refusals (minute, kind, reason, network, count)
        values (now() - interval '40 days', 'token', 'old', 'n', 1), (now() - interval '1 day', 'token', 'new', 'n', 1);
      delete from claims;`);

    // As if the interval of every job had passed.
    const jobs = await db('jobs').update({ next_run_at: db.raw('now()') });
    await expect.poll(() => remaining(db), { timeout: 20_000 }).toBe(0);
    await settled(db);

    expect(await db('oidc_tokens').count('* as n')).toEqual([{ n: '1' }]);
    expect((await db('sign_in_attempts').select('identifier')).map((row) => row.identifier)).toEqual([
      Buffer.of(2),
    ]);
    expect((await db('audit_refusals').select('reason')).map((row) => row.reason)).toEqual(['new']);
    // Some run every few seconds; those that run once a minute or less were claimed once, by one of the two.
    const claims: { job: string; runner: string }[] = await db('claims').select('job', 'runner');
    const rare = ['remove-expired-engine-state', 'sign-in-attempts-expiry', 'audit-refusals-cleanup'];
    expect(
      claims
        .filter(({ job }) => rare.includes(job))
        .map(({ job }) => job)
        .sort(),
    ).toEqual(rare.sort());
    expect(new Set(claims.map(({ job }) => job)).size).toBe(jobs);
    expect(await db('jobs').whereNot({ last_outcome: 'ok' }).select('name', 'last_error')).toEqual([]);
  }, 120_000);
});

/** Every job ran and none runs. */
async function settled(db: Db): Promise<void> {
  await expect
    .poll(
      () => db('jobs').whereRaw('running_until is not null or last_outcome is null or next_run_at <= now()'),
      {
        timeout: 20_000,
      },
    )
    .toEqual([]);
}
