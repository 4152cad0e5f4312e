// gatehouse doctor as operators run it: beside a running server, behind a real nginx, and when parts are away.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDoctor, type Report } from '../../src/doctor/doctor.ts';
import { loadConfig } from '../../src/platform/config/load.ts';
import { childEnvironment } from '../support/child.ts';
import { useDatabase } from '../support/database.ts';
import { useFolders } from '../support/folder.ts';
import { freePort, type ServerProcess, spawnServer } from '../support/gatehouse.ts';
import { find, needs } from '../support/tools.ts';

const database = useDatabase();
const newFolder = useFolders();
const keys = join(newFolder(), 'keys');
const CLI = join(import.meta.dirname, '../../src/cli.ts');

const settings = () => ({
  DATABASE_URL: database.databaseUrl(),
  KEYS_DIRECTORY: keys,
  AUTH_MODE: 'single_user',
});

function doctor(environment: Record<string, string>, ...args: string[]) {
  const env = { ...childEnvironment, ...settings(), ...environment };
  return runDoctor(env, newFolder(), ...args);
}

function runDoctor(env: Record<string, string>, cwd: string, ...args: string[]) {
  return new Promise<{ code: number; out: string }>((resolve) => {
    execFile(process.execPath, [CLI, 'doctor', ...args], { env, cwd }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out: out + err });
    });
  });
}

type Examined = Report & { of(id: string): unknown };

/** What the command prints with --json, without a process of its own. */
async function report(environment: Record<string, string>): Promise<Examined> {
  const config = loadConfig({ environment: { ...settings(), ...environment }, directory: undefined });
  return readable(await createDoctor({ config }).examine());
}

const readable = (report: Report): Examined => ({
  ...report,
  of: (id) => report.verdicts.find((verdict) => verdict.id === id)?.status,
});

describe('beside a running server', () => {
  const running: { server?: ServerProcess } = {};
  beforeAll(async () => {
    running.server = await spawnServer(settings());
    // The first run of each job, which a server does in its first seconds.
    await delay(2_000);
  });
  afterAll(() => running.server?.end());
  const at = () => ({ PORT: String(running.server?.port) });

  // The database of the tests does not wait for its disk, which is faster and what a doctor must not overlook.
  it('finds nothing that has failed but fsync, and ends with 1 for that', async () => {
    const { code, out } = await doctor(at());
    expect(out.match(/^FAILED .*\((.+)\)$/gm)?.map((line) => line.replace(/.*\((.+)\)$/, '$1'))).toEqual([
      'database-durability',
    ]);
    expect(out).not.toMatch(/could not be read/);
    expect(out).toMatch(/The checklist of fifteen points:/);
    expect(code).toBe(1);
  });

  it('gives monitoring the same as JSON', async () => {
    const { out } = await doctor(at(), '--json');
    const examined = readable(JSON.parse(out));
    expect(examined.status).toBe('failed');
    expect(examined.checklist).toHaveLength(15);
    for (const id of [
      'issuer-reachable',
      'issuer-equal',
      'csrf',
      'xss',
      'sql-injection',
      'permissions',
      'cookies',
      'audit-ledger',
    ]) {
      expect([id, examined.of(id)]).toEqual([id, 'ok']);
    }
  });

  it('changes nothing in the database but what its own requests count', async () => {
    const before = await database.db('audit_events').count('* as count').first();
    await doctor(at());
    expect(await database.db('audit_events').count('* as count').first()).toEqual(before);
  });

  it('sees that another issuer is configured here than there', async () => {
    const other = await report({ ...at(), ISSUER: `http://127.0.0.1:${running.server?.port}` });
    expect(other.of('issuer-equal')).toBe('failed');
  });

  it('says that others can read the master key, and all the rest beside', async () => {
    const file = join(keys, 'master.key');
    chmodSync(file, 0o644);
    const exposed = await report(at());
    chmodSync(file, 0o600);
    expect([exposed.of('master-key'), exposed.of('issuer-reachable')]).toEqual(['failed', 'ok']);
    expect((await report(at())).of('master-key')).toBe('ok');
  });

  it('tells nobody without the secret of the server what a request looked like', async () => {
    const answer = await fetch(`${running.server?.issuer}/api/v1/reflection`, {
      headers: { 'x-gatehouse-probe': `${Math.floor(Date.now() / 1000)}.AAAA` },
    });
    expect(answer.status).toBe(404);
  });
});

describe.skipIf(needs('nginx'))('behind nginx', () => {
  const proxies: ChildProcess[] = [];
  afterAll(() => {
    for (const proxy of proxies) proxy.kill();
  });

  /** The server knows of the proxy only what its own settings say; the doctor asks through it. */
  async function behind(forwardedFor: string, trusted: string) {
    const port = await freePort();
    const server = await spawnServer({
      ...settings(),
      ISSUER: `http://localhost:${port}`,
      TRUSTED_PROXIES: trusted,
    });
    const folder = newFolder();
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/log; events {}
       http { access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
         fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
         server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${server.port};
           proxy_set_header Host $host:$server_port; proxy_set_header X-Forwarded-For ${forwardedFor}; } } }`,
    );
    const proxy = spawn(find('nginx') ?? '', ['-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
    proxies.push(proxy);
    await expect
      .poll(() =>
        fetch(`http://localhost:${port}/healthz`).then(
          (one) => one.status,
          () => 0,
        ),
      )
      .toBe(200);
    const examined = await report({ PORT: String(port), TRUSTED_PROXIES: trusted });
    proxy.kill();
    await server.end();
    return examined;
  }

  it('is content when the proxy overwrites the header and is trusted', async () => {
    const examined = await behind('$remote_addr', '127.0.0.1');
    expect([examined.of('proxy-trusted'), examined.of('proxy-truthful')]).toEqual(['ok', 'ok']);
  });

  it('fails when the proxy is not trusted', async () => {
    const examined = await behind('$remote_addr', '10.1.2.3');
    expect(examined.of('proxy-trusted')).toBe('failed');
  });

  it('fails when the proxy passes on what a stranger made up', async () => {
    const examined = await behind('$http_x_forwarded_for', '127.0.0.1');
    expect(examined.of('proxy-truthful')).toBe('failed');
  });
});

describe('when parts are away', () => {
  it('still examines the rest when no server answers', async () => {
    const examined = await report({ PORT: String(await freePort()) });
    expect(examined.of('issuer-reachable')).toBe('failed');
    expect(examined.of('database')).toBe('ok');
    expect(examined.of('csrf')).toBe('not_measured');
  });

  it('makes nothing: no data, no key, no secret', async () => {
    const cwd = newFolder();
    const env = { ...childEnvironment, PORT: String(await freePort()) };
    const { out } = await runDoctor(env, cwd);
    expect(out).toMatch(/^FAILED {3}The database answers/m);
    expect(readdirSync(cwd)).toEqual([]);

    const empty = { ...env, DATABASE_URL: database.databaseUrl(), KEYS_DIRECTORY: join(cwd, 'keys') };
    const tables = () =>
      Promise.all(['master_keys', 'server_secrets'].map((table) => database.db(table).select('*')));
    const before = await tables();
    await database.db('server_secrets').where({ name: 'reflection' }).delete();
    await runDoctor(empty, cwd);
    await runDoctor({ ...empty, KEYS_DIRECTORY: keys }, cwd);
    expect(readdirSync(cwd)).toEqual([]);
    const [masterKeys, secrets] = before;
    expect(await tables()).toEqual([masterKeys, secrets?.filter(({ name }) => name !== 'reflection')]);
    await database.db('server_secrets').delete();
    await database.db('server_secrets').insert(secrets ?? []);
  });

  it('still examines the rest when the database and Redis are away, and ends with 1', async () => {
    const nowhere = await freePort();
    const environment = {
      PORT: String(nowhere),
      DATABASE_URL: `postgres://gatehouse:hunter2@127.0.0.1:${nowhere}/gatehouse`,
      REDIS_URL: `redis://:hunter2@127.0.0.1:${nowhere}`,
    };
    const examined = await report(environment);
    expect([examined.of('database'), examined.of('redis')]).toEqual(['failed', 'failed']);
    expect(examined.of('signing-keys')).toBe('not_measured');
    const { code, out } = await doctor(environment);
    expect(code).toBe(1);
    expect(out).not.toContain('hunter2');
  });
});
