// The nginx of deploy/nginx/gatehouse.conf in front of the nodes: other ports, localhost for a name, a certificate of its own.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import { find } from '../support/tools.ts';

const SHIPPED = join(import.meta.dirname, '..', '..', 'deploy', 'nginx', 'gatehouse.conf');

export interface Proxy {
  end(): Promise<void>;
}

export async function startProxy(
  parent: string,
  ports: { tls: number; plain: number; nodes: readonly number[] },
): Promise<Proxy> {
  const folder = join(parent, 'nginx');
  mkdirSync(folder);
  trustOwnCertificate(folder);
  writeFileSync(join(folder, 'gatehouse.conf'), adapted(folder, ports));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ');
  // As root its workers would be another user, who may not enter the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; ${user} worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
     events { worker_connections 1024; } http { ${temporary} include ${folder}/gatehouse.conf; }`,
  );
  const child = spawn(find('nginx') ?? 'nginx', ['-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await answers(`https://localhost:${ports.tls}/healthz`, child, folder);
  return {
    async end() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function adapted(folder: string, ports: { tls: number; plain: number; nodes: readonly number[] }): string {
  const shipped = readFileSync(SHIPPED, 'utf8');
  const changes: readonly [RegExp, string][] = [
    [/127\.0\.0\.1:3000/, `127.0.0.1:${ports.nodes[0]}`],
    [/127\.0\.0\.1:3001/, `127.0.0.1:${ports.nodes[1]}`],
    [/^\s*listen \[::\].*$/gm, ''],
    [/listen 80;/, `listen 127.0.0.1:${ports.plain};`],
    [/listen 443 /, `listen 127.0.0.1:${ports.tls} `],
    [/id\.example\.com/g, 'localhost'],
    [/\/etc\/ssl\/gatehouse/g, folder],
    [/\/var\/log\/nginx/g, folder],
  ];
  return changes.reduce((text, [shippedText, own]) => {
    const changed = text.replace(shippedText, own);
    if (changed === text) throw new Error(`deploy/nginx/gatehouse.conf no longer has ${shippedText}`);
    return changed;
  }, shipped);
}

/** This process, and nobody else, believes the certificate from now on. */
function trustOwnCertificate(folder: string): void {
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', join(folder, 'privkey.pem')];
  const certificate = ['-out', join(folder, 'fullchain.pem'), '-days', '2'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', ['req', '-x509', ...key, ...certificate, ...name], { stdio: 'ignore' });
  const own = readFileSync(join(folder, 'fullchain.pem'), 'utf8');
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), own]);
}

async function answers(url: string, child: ChildProcess, folder: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (child.exitCode !== null) break;
    const status = await fetch(url).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
    await delay(50);
  }
  throw new Error(`nginx does not answer:\n${readFileSync(join(folder, 'error.log'), 'utf8')}`);
}
