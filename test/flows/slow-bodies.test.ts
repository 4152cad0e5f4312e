// Whoever sends a form byte by byte waits alone: the places where pages are worked on are for requests that are all there.
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { useGatehouse } from '../support/gatehouse.ts';

const gatehouse = useGatehouse();
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

function opened(): Socket {
  const socket = connect(Number(new URL(gatehouse.issuer).port), '127.0.0.1');
  socket.on('error', () => {});
  sockets.push(socket);
  return socket;
}

function head(path: string, length: number): string {
  const { host } = new URL(gatehouse.issuer);
  const type = 'Content-Type: application/x-www-form-urlencoded';
  return `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${type}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`;
}

async function answered(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

describe('forms that never end', () => {
  it.each(['/authorize', '/end-session/confirm', '/interaction/nobody/login'])(
    'sent to %s keep nobody from the pages',
    async (path) => {
      for (let count = 0; count < 20; count += 1) opened().write(`${head(path, 1000)}a`);
      await delay(300);
      const page = await fetch(`${gatehouse.issuer}/end-session`, { signal: AbortSignal.timeout(5_000) });

      expect(page.status).toBe(200);
    },
    20_000,
  );

  it('and those that come in pieces, or are too long, are read as ever', async () => {
    const slow = opened();
    slow.write(head('/authorize', 20));
    for (const piece of ['client_i', 'd=a&scop', 'e=no']) {
      await delay(50);
      slow.write(piece);
    }
    const long = opened();
    long.write(`${head('/authorize', 300_000)}${'a'.repeat(300_000)}`);

    expect(await answered(slow)).toContain('Location: http');
    expect(await answered(long)).toMatch(/^HTTP\/1\.1 413 /);
  }, 20_000);
});
