// Load: closed loops over keep-alive connections, each checking that its answers are right, since a fast error is no result.
import { Agent, type IncomingHttpHeaders, request } from 'node:http';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Call {
  method: 'GET' | 'POST';
  path: string;
  headers?: Record<string, string>;
  body?: string;
}

export interface Target {
  send(call: Call): Promise<Answer>;
  close(): void;
}

export function target(port: number, connections: number): Target {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    send: ({ method, path, headers, body }) =>
      new Promise((resolve, reject) => {
        const outgoing = request({ host: '127.0.0.1', port, agent, method, path, headers }, (response) => {
          const chunks: string[] = [];
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => chunks.push(chunk));
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: chunks.join('') });
          });
          response.on('error', reject);
        });
        outgoing.on('error', reject);
        outgoing.end(body);
      }),
    close: () => agent.destroy(),
  };
}

/** One unit of work a loop repeats; throws when an answer is wrong. */
export type Work = () => Promise<void>;

/** Runs the loops for so long and answers how many units of work were done, and how many per second. */
export async function measure(
  loops: readonly Work[],
  seconds: number,
): Promise<{ done: number; perSecond: number }> {
  const end = performance.now() + seconds * 1000;
  let done = 0;
  const started = performance.now();
  await Promise.all(
    loops.map(async (work) => {
      while (performance.now() < end) {
        await work();
        done += 1;
      }
    }),
  );
  return { done, perSecond: done / ((performance.now() - started) / 1000) };
}

export function form(
  fields: Record<string, string>,
  secret?: { id: string; secret: string },
): Omit<Call, 'path'> {
  const basic =
    secret && Buffer.from(`${encodeURIComponent(secret.id)}:${encodeURIComponent(secret.secret)}`);
  const body = new URLSearchParams(fields).toString();
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
      ...(basic ? { authorization: `Basic ${basic.toString('base64')}` } : {}),
    },
    body,
  };
}

export function expectStatus(answer: Answer, status: number): Answer {
  if (answer.status !== status)
    throw new Error(`expected ${status}, got ${answer.status}: ${answer.body.slice(0, 300)}`);
  return answer;
}
