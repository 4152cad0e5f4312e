// The request log: which requests get a line, and what stands in it.
import { describe, expect, it } from 'vitest';
import { createLog } from '../../../src/platform/telemetry/log.ts';
import {
  type AnsweredRequest,
  createRequestLog,
  type RequestLogChoice,
} from '../../../src/platform/telemetry/request-log.ts';
import { createTimings } from '../../../src/platform/telemetry/timings.ts';
import { type Application, start } from '../http/application.ts';

const answered = (over: Partial<AnsweredRequest> = {}): AnsweredRequest => ({
  method: 'POST',
  route: '/token',
  status: 200,
  outcome: 'ok',
  milliseconds: 3.1278,
  timings: createTimings(false),
  clientId: null,
  accountId: null,
  traceId: null,
  callerRequestId: null,
  ...over,
});

const lines = (app: Application) => app.lines.filter(({ message }) => message === 'answered');

describe('the request log', () => {
  const fine = answered();
  const refused = answered({ status: 400, outcome: 'invalid_grant' });
  const redirected = answered({ status: 303, outcome: 'access_denied' });
  const slow = answered({ milliseconds: 1200 });
  const failed = answered({ status: 503, outcome: 'database_unavailable' });
  const probe = answered({ route: '/readyz' });
  const unready = answered({ route: '/readyz', status: 503, outcome: 'failed' });

  it.each<[RequestLogChoice, AnsweredRequest[]]>([
    ['all', [fine, refused, redirected, slow, failed, unready]],
    ['errors', [refused, redirected, slow, failed, unready]],
    ['slow', [slow, failed, unready]],
    ['none', []],
  ])('set to %s has a line for what it is meant to have', (which, wanted) => {
    const written: unknown[] = [];
    const write = createRequestLog(which, { info: (_message, fields) => void written.push(fields) });
    for (const request of [fine, refused, redirected, slow, failed, probe, unready]) write(request);
    expect(written).toHaveLength(wanted.length);
  });

  it('says where the time went, and names only parts that were waited for', () => {
    const timings = createTimings(false);
    timings.add('database', 10, 12.5, false);
    timings.add('database', 20, 21.25, false);
    timings.add('signing', 1, 1.1, false);
    const written: string[] = [];
    const log = createLog({ level: 'info', format: 'json' }, { write: (line) => written.push(line) });
    createRequestLog('all', log)(answered({ timings, clientId: 'app', accountId: 'acc_1' }));
    expect(JSON.parse(written[0] ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/Z$/),
      method: 'POST',
      route: '/token',
      status: 200,
      outcome: 'ok',
      milliseconds: 3.13,
      databaseMilliseconds: 3.75,
      signingMilliseconds: 0.1,
      clientId: 'app',
      accountId: 'acc_1',
      msg: 'answered',
    });
  });

  it('holds the pattern of the route and neither the path nor the query', async () => {
    const app = await start();
    await fetch(`${app.url}/nowhere/kiwi-in-the-path?kiwi=in-the-query`);
    expect(lines(app)).toMatchObject([
      { level: 'info', fields: { route: 'other', status: 404, outcome: 'not_found' } },
    ]);
    expect(JSON.stringify(lines(app))).not.toContain('kiwi');
    await app.stop();
  });
});

describe('what a request says of itself', () => {
  const from = async (headers: Record<string, string>, trustedProxies: string[] = []) => {
    const app = await start({ trustedProxies });
    const answer = await fetch(`${app.url}/nowhere`, {
      headers: { 'X-Request-ID': 'sent-along', ...headers },
    });
    const id = answer.headers.get('x-request-id');
    const [line] = lines(app);
    await app.stop();
    const fields = line?.fields as { callerRequestId?: string } | undefined;
    return { id, callerRequestId: fields?.callerRequestId };
  };

  it('is believed from this machine', async () => {
    expect(await from({})).toEqual({ id: 'sent-along', callerRequestId: undefined });
  });

  it('is believed from a trusted proxy', async () => {
    const behind = await from({ 'X-Forwarded-For': '203.0.113.7' }, ['127.0.0.0/8']);
    expect(behind.id).toBe('sent-along');
  });

  it('is only noted when it came through a proxy that nobody trusts', async () => {
    const stranger = await from({ 'X-Forwarded-For': '203.0.113.7' });
    expect(stranger.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(stranger.callerRequestId).toBe('sent-along');
  });

  it('is noted without what looks like a credential', async () => {
    const token = `sk${'aB3dE5gH7'.repeat(6)}`;
    const stranger = await from({ 'X-Forwarded-For': '203.0.113.7', 'X-Request-ID': token });
    expect(stranger.callerRequestId).toBe('[redacted]');
  });
});
