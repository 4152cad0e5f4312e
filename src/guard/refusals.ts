// Refusals as they are sent: RFC 6750 §3, RFC 9449 §7.1 and RFC 9470 §3 in WWW-Authenticate, RFC 9457 in the body.
import type { Needs, Refusal, RefusalCode } from './schema.ts';

export interface Why {
  readonly status: number;
  readonly code: RefusalCode;
  readonly detail: string;
  /** The code of OAuth in the challenge; none where nothing was presented (RFC 6750 §3.1). */
  readonly error?: string;
  readonly needs?: Needs;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the body. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** The code of the server, where strangers are told less. */
  readonly reason?: string;
}

export interface ChallengeSettings {
  readonly resourceMetadataUrl: string | undefined;
  readonly proofAlgorithms: readonly string[];
}

export type Scheme = 'Bearer' | 'DPoP';

export function refuse(why: Why, scheme: Scheme, settings: ChallengeSettings): Refusal {
  const { status, code, detail } = why;
  const challenged = status === 401 || why.error !== undefined;
  return {
    ok: false,
    status,
    code,
    detail,
    reason: why.reason ?? code,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...(challenged ? { 'WWW-Authenticate': challenges(why, scheme, settings) } : {}),
      ...why.headers,
    },
    body: JSON.stringify({
      type: 'about:blank',
      title: titles[status] ?? 'Error',
      status,
      code,
      detail,
      ...why.members,
    }),
  };
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
};

/** RFC 9449 §7.2: whoever may come with either scheme is told of both. */
function challenges(why: Why, scheme: Scheme, settings: ChallengeSettings): string {
  const own = challenge(why, scheme, settings);
  if (scheme === 'DPoP' || why.status !== 401) return own;
  return `${own}, DPoP algs="${settings.proofAlgorithms.join(' ')}"`;
}

function challenge({ error, detail, needs }: Why, scheme: Scheme, settings: ChallengeSettings): string {
  const parts: [string, string | undefined][] = [
    ['algs', scheme === 'DPoP' ? settings.proofAlgorithms.join(' ') : undefined],
    ['error', error],
    ['error_description', error === undefined ? undefined : detail],
    ['scope', error === 'insufficient_scope' ? needs?.permissions?.join(' ') : undefined],
    ['acr_values', stepUp(error) ? needs?.acrValues?.join(' ') : undefined],
    ['max_age', stepUp(error) ? needs?.maxAgeSeconds?.toString() : undefined],
    ['resource_metadata', settings.resourceMetadataUrl],
  ];
  const said = parts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${quotable(value)}"`],
  );
  return said.length === 0 ? scheme : `${scheme} ${said.join(', ')}`;
}

const stepUp = (error: string | undefined) => error === 'insufficient_user_authentication';

/** RFC 6750 §3 allows these characters only; none of ours is another one, but a permission may come from elsewhere. */
function quotable(text: string): string {
  return text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '');
}
