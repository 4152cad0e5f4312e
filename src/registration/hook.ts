// A question to a service of the operator before anybody is written to: may whoever asks register? It may know robots that
// this server does not. Signed as Standard Webhooks 1.0 has it.
import { hash, randomUUID } from 'node:crypto';
import { webhookHeaders } from '../lib/sending/webhook-signature.ts';
import type { Clock } from '../platform/clock.ts';
import { currentOrigin } from '../platform/origin.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { measure } from '../platform/telemetry/timings.ts';

export interface HookSettings {
  readonly hookUrl: string | undefined;
  readonly hookSecret: string | undefined;
  readonly hookFails: 'open' | 'closed';
}

export type RegistrationHook = (asked: {
  normalized: string;
  challenge: string | undefined;
}) => Promise<boolean>;

const TIMEOUT_MILLISECONDS = 5_000;
const LONGEST_ANSWER_BYTES = 4096;

export function createHook(deps: {
  clock: Clock;
  log: Log;
  settings: HookSettings;
  request: typeof fetch;
}): RegistrationHook {
  const { hookUrl, hookSecret, hookFails } = deps.settings;
  if (hookUrl === undefined || hookSecret === undefined) return async () => true;

  return async ({ normalized, challenge }) => {
    const at = deps.clock.now();
    const id = `msg_${randomUUID()}`;
    const { address, userAgent } = currentOrigin();
    const data = {
      // The address itself is nobody else's business before its owner has become a user.
      emailSha256: hash('sha256', normalized),
      emailDomain: normalized.slice(normalized.lastIndexOf('@') + 1),
      address,
      userAgent,
      challenge: challenge ?? null,
    };
    const body = JSON.stringify({ type: 'registration.requested', timestamp: at.toISOString(), data });
    const headers = { 'content-type': 'application/json', ...webhookHeaders({ id, at, body }, hookSecret) };
    const answer = await ask(deps.request, hookUrl, { method: 'POST', headers, body });
    if (answer !== undefined) return answer;
    deps.log.warn('the registration hook gave no answer', { registrations: hookFails });
    return hookFails === 'open';
  };
}

/** undefined for anything but a plain yes or no. */
async function ask(request: typeof fetch, url: string, init: RequestInit): Promise<boolean | undefined> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
    // A redirect would take the question to somebody whom no setting names.
    const reply = await measure('outgoing', () => request(url, { ...init, redirect: 'error', signal }));
    const text = reply.ok ? await firstOf(reply) : '';
    if (!reply.ok) await reply.body?.cancel();
    const told: unknown = JSON.parse(text);
    const allow: unknown = typeof told === 'object' && told !== null ? Reflect.get(told, 'allow') : undefined;
    return typeof allow === 'boolean' ? allow : undefined;
  } catch {
    return undefined;
  }
}

async function firstOf(reply: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of reply.body ?? []) {
    length += chunk.length;
    if (length > LONGEST_ANSWER_BYTES) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
