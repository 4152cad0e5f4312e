// POST /api/v1/leak-reports, in the shape of GitHub's secret scanning partner protocol: a signed list of strings, and for each
// whether it was a key. Nothing else is told, and only to who holds the string and a signing key that is known here.
import { hash } from 'node:crypto';
import { z } from 'zod';
import type { Audit } from '../../audit/audit.ts';
import { type PlainHandler, type PlainRequest, problemReply } from '../../platform/api/plain.ts';
import { failure } from '../../platform/errors.ts';
import { toAppError } from '../../platform/http/errors.ts';
import { parsePart } from '../../platform/http/input.ts';
import type { Log } from '../../platform/telemetry/log.ts';
import type { FoundString, Leaks } from './leaks.ts';
import type { ReporterKeys } from './reporter-keys.ts';

const MOST_STRINGS = 5000;
const ID = /^[\w.:/+=-]{1,200}$/;

/** Whatever else a reporter tells is left alone: it need not ask us before it tells more. */
const Report = z
  .array(
    z.looseObject({
      token: z.string().max(10_000),
      type: z.string().max(500),
      url: z.string().max(10_000).nullish(),
      source: z.string().max(500).nullish(),
    }),
  )
  .max(MOST_STRINGS);

export function createLeakHandler(deps: {
  reporterKeys: ReporterKeys;
  leaks: Leaks;
  audit: Pick<Audit, 'refuse'>;
  log: Log;
}): PlainHandler {
  async function signerOf({ headers, body }: PlainRequest): Promise<string> {
    const { 'github-public-key-identifier': id, 'github-public-key-signature': signature } = headers;
    const isGood =
      typeof id === 'string' &&
      typeof signature === 'string' &&
      ID.test(id) &&
      (await deps.reporterKeys.isSigned(Buffer.from(body), id, signature));
    if (isGood) return id;
    deps.audit.refuse('leak_report', 'signature');
    throw failure('leak_report_not_signed');
  }

  async function answer(request: PlainRequest): Promise<unknown> {
    if (!deps.reporterKeys.isOn) throw failure('not_found');
    if (request.method !== 'POST') throw failure('method_not_allowed');
    const signer = await signerOf(request);
    const labels = new Map<string, boolean>();
    const answers: object[] = [];
    for (const found of reportOf(request.body)) {
      const isKey = labels.get(labelKey(found)) ?? (await deps.leaks.take(found, signer));
      labels.set(labelKey(found), isKey);
      answers.push({
        // Who has the string can make it, and to nobody else does it tell anything.
        token_hash: hash('sha256', found.token, 'hex'),
        token_type: found.type,
        label: isKey ? 'true_positive' : 'false_positive',
      });
    }
    return answers;
  }

  return async (request) => {
    const headers = { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' };
    try {
      return { status: 200, headers, body: JSON.stringify(await answer(request)) };
    } catch (thrown) {
      const error = toAppError(thrown);
      if (error.code === 'internal_error') deps.log.error('A leak report failed', { error: thrown });
      return problemReply(error, request.requestId, error.status === 405 ? { Allow: 'POST' } : {});
    }
  };
}

const labelKey = ({ token, url, source }: FoundString) => JSON.stringify([token, url, source]);

function reportOf(body: string): FoundString[] {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    // Without its cause, which quotes what it could not read.
    throw failure('body_malformed');
  }
  const list = parsePart('body', Report, value) as z.output<typeof Report>; // what its schema has just parsed
  return list.map(({ token, type, url, source }) => ({
    token,
    type,
    url: url ?? undefined,
    source: source ?? undefined,
  }));
}
