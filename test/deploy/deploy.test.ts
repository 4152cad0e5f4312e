// The files that operators copy: they name settings that exist, and nginx takes its own.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Middleware } from 'koa';
import { describe, expect, it } from 'vitest';
import { start } from '../platform/http/application.ts';
import { useFolders } from '../support/folder.ts';
import { freePort } from '../support/gatehouse.ts';
import { find, needs } from '../support/tools.ts';

const root = join(import.meta.dirname, '..', '..');
const newFolder = useFolders();
const run = promisify(execFile);

const known = new Set(
  [...readFileSync(join(root, '.env.example'), 'utf8').matchAll(/^#?\s?([A-Z][A-Z0-9_]+)=/gm)].map(
    (match) => match[1],
  ),
);
/** Of the container images and of Node, not of Gatehouse. */
const foreign = /^(NODE_ENV|POSTGRES_\w+)$/;

const files = ['Dockerfile', ...inside('deploy')];

function inside(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(join(root, path)).isFile());
}

const showTrace: Middleware = (ctx) => {
  ctx.body = String(ctx.req.headers.traceparent ?? '');
};

describe('the files for deployment', () => {
  it.each(files)('%s names only settings that there are', (path) => {
    const text = readFileSync(join(root, path), 'utf8').replace(/^\s*#.*$/gm, '');
    const assigned = [
      ...text.matchAll(
        /^\s*(?:-\s+name:\s+|Environment=)?([A-Z][A-Z0-9]*_[A-Z0-9_]+|ISSUER|HOST|PORT)[:=\s]/gm,
      ),
    ].map((match) => (match[1] ?? '').replace(/_FILE$/, ''));
    expect(assigned.filter((name) => !known.has(name) && !foreign.test(name))).toEqual([]);
  });

  it('copies into the image what the build reads, and nothing that is ignored', () => {
    const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
    const allowed = readFileSync(join(root, '.dockerignore'), 'utf8').matchAll(/^!(.+)$/gm);
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)]
      .flatMap((match) => (match[1] ?? '').split(' '))
      .map((path) => path.replace(/\/$/, ''));
    expect(copied.toSorted()).toEqual([...allowed].map((match) => match[1]).toSorted());
  });
});

describe('what is trusted', () => {
  const read = (path: string) => readFileSync(join(root, path), 'utf8');

  it.each([
    ['deploy/nginx/gatehouse.conf', (name: string) => new RegExp(`proxy_set_header ${name} `, 'i')],
    ['deploy/caddy/Caddyfile', (name: string) => new RegExp(`header_up -?${name}\\b`, 'i')],
  ])('%s passes on nothing of a stranger by which a trusted proxy would be believed', (path, setting) => {
    // Caddy sets X-Forwarded-* by itself and does not take them from strangers.
    const own = path.includes('caddy') ? [] : ['X-Forwarded-For', 'X-Forwarded-Proto'];
    for (const name of [...own, 'X-Request-ID', 'Forwarded', 'traceparent', 'tracestate']) {
      expect(read(path)).toMatch(setting(name));
    }
  });

  it('in a cluster the secrets are for the group of the server, and for nobody else', () => {
    const text = read('deploy/kubernetes/deployment.yaml');
    const group = /runAsGroup: (\d+)/.exec(text)?.[1];
    expect(text).toMatch(/secretName: gatehouse, defaultMode: 0440/);
    // Without it Kubernetes leaves them to root alone, and the server cannot start.
    expect(/fsGroup: (\d+)/.exec(text)?.[1]).toBe(group);
  });
});

describe.skipIf(needs('nginx'))('nginx', () => {
  /** The shipped file as the only one of a nginx of our own: its folder, and the file that begins it. */
  function shippedIn(folder: string, listen?: number): string {
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=id.example.com'],
        ...['-keyout', join(folder, 'privkey.pem'), '-out', join(folder, 'fullchain.pem')],
      ],
      { stdio: 'ignore' },
    );
    let shipped = readFileSync(join(root, 'deploy/nginx/gatehouse.conf'), 'utf8')
      .replaceAll('/etc/ssl/gatehouse', folder)
      .replaceAll('/var/log/nginx', folder);
    if (listen !== undefined) {
      shipped = shipped
        .replace(/listen (\[::\]:)?80;/g, '')
        .replace('listen [::]:443 ssl http2;', '')
        .replace('listen 443 ', `listen 127.0.0.1:${listen} `)
        .replace('return 301', `listen 127.0.0.1:${listen + 1}; return 301`)
        // Nobody is there.
        .replace(/server 127\.0\.0\.1:300\d/g, 'server 127.0.0.1:1');
    }
    const main = join(folder, 'nginx.conf');
    writeFileSync(join(folder, 'gatehouse.conf'), shipped);
    writeFileSync(
      main,
      `pid ${folder}/pid; error_log ${folder}/main.log; events {}
       http { client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
         uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s; include ${folder}/gatehouse.conf; }`,
    );
    return main;
  }

  it('takes the shipped configuration', async () => {
    const main = shippedIn(newFolder());
    const { stderr } = await run(find('nginx') ?? '', ['-t', '-c', main]);
    expect(stderr).toContain('test is successful');
  });

  it('as ingress-nginx with the headers of the cluster passes on no id of a stranger', async () => {
    const app = await start({ trustedProxies: ['127.0.0.1'], after: [showTrace] });
    const shipped = readFileSync(join(root, 'deploy/kubernetes/ingress-headers.yaml'), 'utf8');
    const entries = [...(shipped.split('\ndata:\n')[1]?.matchAll(/^ {2}([\w-]+): (\S+)$/gm) ?? [])];
    const added = entries.map(([, name, value]) => `proxy_set_header ${name} ${value};`).join(' ');
    expect(await behindIngress(app.port, '')).toEqual({ id: 'chosen-by-a-stranger', trace: 'a-trace' });
    const guarded = await behindIngress(app.port, added);
    expect(guarded).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), trace: '' });
    await app.stop();
  });

  /** The lines that ingress-nginx writes about these headers, and what its setting proxy-set-headers adds. */
  async function behindIngress(
    upstream: number,
    added: string,
  ): Promise<{ id: string | null; trace: string }> {
    const folder = newFolder();
    const port = await freePort();
    const main = join(folder, 'nginx.conf');
    writeFileSync(
      main,
      `pid ${folder}/pid; error_log ${folder}/main.log; events {}
       http { access_log off; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p;
         fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
         map $http_x_request_id $req_id { default $http_x_request_id; "" $request_id; }
         server { listen 127.0.0.1:${port}; location / { proxy_set_header X-Request-ID $req_id; ${added}
           proxy_pass http://127.0.0.1:${upstream}; } } }`,
    );
    const proxy = spawn(find('nginx') ?? '', ['-c', main, '-g', 'daemon off; master_process off;'], {
      stdio: 'ignore',
    });
    const headers = { 'X-Request-ID': 'chosen-by-a-stranger', traceparent: 'a-trace' };
    const ask = () => fetch(`http://127.0.0.1:${port}/trace`, { headers });
    try {
      await expect
        .poll(() =>
          ask().then(
            ({ status }) => status,
            () => 0,
          ),
        )
        .toBe(200);
      const answer = await ask();
      return { id: answer.headers.get('x-request-id'), trace: await answer.text() };
    } finally {
      proxy.kill();
      await once(proxy, 'exit');
    }
  }

  it('writes no query into its logs, also not when no node answers', async () => {
    const folder = newFolder();
    const port = await freePort();
    const proxy = spawn(
      find('nginx') ?? '',
      ['-c', shippedIn(folder, port), '-g', 'daemon off; master_process off;'],
      { stdio: 'ignore' },
    );
    const ask = () =>
      new Promise<number | undefined>((resolve) => {
        get(
          `https://127.0.0.1:${port}/setup?token=canary-of-a-query`,
          { rejectUnauthorized: false },
          (answer) => {
            answer.resume();
            resolve(answer.statusCode);
          },
        ).on('error', () => resolve(undefined));
      });
    try {
      await expect.poll(ask).toBe(502);
      const plain = `http://127.0.0.1:${port + 1}/setup?token=canary-of-a-query`;
      expect((await fetch(plain, { redirect: 'manual' })).status).toBe(301);
    } finally {
      proxy.kill();
      await once(proxy, 'exit');
    }
    const logs = readdirSync(folder).filter((name) => name.endsWith('.log'));
    const written = logs.map((name) => readFileSync(join(folder, name), 'utf8')).join('');
    for (const status of [301, 502]) expect(written).toContain(`GET /setup HTTP/1.1" ${status}`);
    expect(written).not.toContain('canary-of-a-query');
  });
});
