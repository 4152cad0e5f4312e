// Examinations of the public address: that it answers, that proxies tell the truth, cookies, TLS, and the clock.
import { isProblem } from '../platform/inspect/problem.ts';
import { type Examination, failed, notMeasured, ok, warning } from './examination.ts';
import { type Facts, SPOOFED_ADDRESS } from './facts.ts';

const DAY = 86_400_000;
const CERTIFICATE_WARNING_DAYS = 21;
const SKEW_WARNING_SECONDS = 2;
// The engine forgives 15 s between a client's clock and ours.
const SKEW_LIMIT_SECONDS = 10;

const isSecure = ({ config }: Facts) => config.issuer.startsWith('https:');

export const reachExaminations: readonly Examination[] = [
  {
    id: 'issuer-reachable',
    title: 'The public address answers',
    judge({ public: { discovery }, config }) {
      const at = `${config.issuer}/.well-known/openid-configuration`;
      if (isProblem(discovery)) {
        return failed(
          `${at} cannot be reached from here: ${discovery.problem}.`,
          'Start the server, and check that the name resolves to the proxy and that the proxy passes requests on.',
        );
      }
      if (discovery.status === 200) return ok(`${at} answers.`);
      return failed(
        `${at} answers ${discovery.status}.`,
        'Something else answers at ISSUER, or the proxy cannot reach the server: compare its upstream with HOST and PORT.',
      );
    },
  },
  {
    id: 'issuer-equal',
    title: 'The issuer is the one that is published',
    judge({ public: { discovery }, config }) {
      if (isProblem(discovery) || discovery.status !== 200)
        return notMeasured('The public address does not answer.');
      const issuer = issuerIn(discovery.text);
      if (issuer === config.issuer) return ok(`Metadata name ${issuer}.`);
      return failed(
        `Metadata at ISSUER name ${issuer ?? 'no issuer'} and not ${config.issuer}.`,
        'Clients compare the issuer letter by letter: give every node the same ISSUER, without a slash at its end.',
      );
    },
  },
  {
    id: 'proxy-trusted',
    title: 'The proxy in front is believed',
    judge({ public: { reflection }, config }) {
      if (isProblem(reflection)) return notMeasured(`What arrives here is not known: ${reflection.problem}.`);
      if (reflection.forwardedFor === null) {
        return config.http.trustedProxies.length === 0
          ? ok('Requests arrive without a proxy.')
          : warning(
              'TRUSTED_PROXIES is set, but the proxy sends no X-Forwarded-For: every person has its address.',
              'Set X-Forwarded-For in the proxy (docs/operations/nginx.md, caddy.md).',
            );
      }
      if (reflection.isPeerTrusted) return ok(`${reflection.peer} is trusted.`);
      return failed(
        `Requests come from ${reflection.peer} with X-Forwarded-For, but it is not in TRUSTED_PROXIES: limits and lockout take all people for one.`,
        `Set TRUSTED_PROXIES=${reflection.peer}`,
      );
    },
  },
  {
    id: 'proxy-truthful',
    title: 'Nobody can choose their own address',
    judge({ public: { spoofed } }) {
      if (isProblem(spoofed)) return notMeasured(`What arrives here is not known: ${spoofed.problem}.`);
      if (spoofed.address !== SPOOFED_ADDRESS) return ok('A made-up X-Forwarded-For is not believed.');
      return failed(
        'A made-up X-Forwarded-For was believed: whoever sends one escapes limits and lockout.',
        'Let the proxy overwrite the header instead of appending to it, and name only your proxies in TRUSTED_PROXIES.',
      );
    },
  },
  {
    id: 'proxy-scheme',
    title: 'The proxy says that the request was https',
    judge(facts) {
      const { reflection } = facts.public;
      if (!isSecure(facts)) return notMeasured('ISSUER is plain http.');
      if (isProblem(reflection)) return notMeasured(`What arrives here is not known: ${reflection.problem}.`);
      if (reflection.forwardedProto === 'https') return ok('X-Forwarded-Proto is https.');
      return warning(
        `X-Forwarded-Proto is ${reflection.forwardedProto ?? 'not sent'}.`,
        'Set X-Forwarded-Proto to https in the proxy; then it is seen at once when somebody reaches it over plain http.',
      );
    },
  },
  {
    id: 'client-address',
    title: 'People are seen with their own address',
    judge({ public: { reflection } }) {
      if (isProblem(reflection)) return notMeasured(`What arrives here is not known: ${reflection.problem}.`);
      if (reflection.address === null) {
        return failed('A request has no address at all.', 'Do not put the server behind a Unix socket.');
      }
      const isProxy = reflection.forwardedFor !== null && reflection.address === reflection.peer;
      if (!isProxy) return ok(`This command is seen as ${reflection.address}.`);
      return warning(
        `This command is seen as ${reflection.address}, the address of the proxy.`,
        'See whether that is where you are; if not, mend proxy-trusted and X-Forwarded-For.',
      );
    },
  },
  {
    id: 'cookies',
    title: 'Cookies arrive as they were set',
    judge(facts) {
      const { page } = facts.public;
      if (isProblem(page)) return notMeasured(`The page does not answer: ${page.problem}.`);
      if (page.cookies.length === 0) {
        return failed(
          'A page with a form set no cookie.',
          'Let the proxy pass Set-Cookie on, and not cache pages.',
        );
      }
      const weak = page.cookies.filter((cookie) => !isStrong(cookie, isSecure(facts)));
      if (weak.length === 0) return ok('Cookies are bound to this host, HttpOnly and SameSite.');
      return failed(
        `${weak.map(nameOf).join(', ')} arrived without all of HttpOnly, SameSite${isSecure(facts) ? ', Secure and __Host-' : ''}.`,
        'The proxy rewrites cookies: remove that from its configuration.',
      );
    },
  },
  {
    id: 'tls-version',
    title: 'TLS is of today',
    judge(facts) {
      const { tls } = facts;
      if (tls === null) return plainHttp(facts);
      if (isProblem(tls)) return notMeasured(`TLS could not be asked: ${tls.problem}.`);
      if (tls.acceptsOld === true) {
        return failed('TLS 1.0 or 1.1 is still spoken.', 'Allow TLS 1.2 and 1.3 only in the proxy.');
      }
      const old =
        tls.acceptsOld === null ? ' Whether it still speaks 1.0 or 1.1 cannot be asked from here.' : '';
      if (tls.protocol === 'TLSv1.3') return ok(`TLS 1.3.${old}`);
      return warning(`${tls.protocol} is the best it speaks.${old}`, 'Allow TLS 1.3 in the proxy.');
    },
  },
  {
    id: 'tls-certificate',
    title: 'The certificate is trusted and lasts',
    judge(facts) {
      const { tls, now } = facts;
      if (tls === null) return plainHttp(facts);
      if (isProblem(tls)) return notMeasured(`TLS could not be asked: ${tls.problem}.`);
      const days = Math.floor((tls.validUntil.getTime() - now.getTime()) / DAY);
      const until = tls.validUntil.toISOString().slice(0, 10);
      if (days < 0) return failed(`It ended on ${until}.`, 'Renew it.');
      if (tls.untrusted !== null) {
        return failed(
          `It is not trusted from here: ${tls.untrusted}.`,
          'Serve the whole chain of a certificate for this name; for an authority of your own, set NODE_EXTRA_CA_CERTS here.',
        );
      }
      if (days >= CERTIFICATE_WARNING_DAYS) return ok(`Valid until ${until}.`);
      return warning(`It ends on ${until}, in ${days} days.`, 'Renew it; an automatic renewal is late.');
    },
  },
  {
    id: 'clock',
    title: 'Clocks agree',
    judge({ database }) {
      if (isProblem(database)) return notMeasured('The database does not answer.');
      const seconds = Math.abs(database.now.getTime() - database.measuredAt.getTime()) / 1000;
      const said = `This machine and the database are ${seconds.toFixed(1)} s apart.`;
      if (seconds <= SKEW_WARNING_SECONDS) return ok(said);
      const remedy = 'Let chrony or systemd-timesyncd set the clock of every machine.';
      return seconds > SKEW_LIMIT_SECONDS ? failed(said, remedy) : warning(said, remedy);
    },
  },
];

function plainHttp({ config }: Facts) {
  if (config.environment === 'development')
    return notMeasured('ISSUER is plain http, as on a machine of a developer.');
  return failed(
    'ISSUER is plain http.',
    'Put a proxy with TLS in front and set ISSUER to its https address.',
  );
}

function issuerIn(text: string): string | undefined {
  try {
    const { issuer } = JSON.parse(text) as { issuer?: unknown };
    return typeof issuer === 'string' ? issuer : undefined;
  } catch {
    return undefined;
  }
}

function isStrong(cookie: string, secure: boolean): boolean {
  const has = (attribute: RegExp) => attribute.test(cookie);
  const bound = !secure || (cookie.startsWith('__Host-') && has(/;\s*secure/i));
  return bound && has(/;\s*httponly/i) && has(/;\s*samesite=(lax|strict)/i);
}

const nameOf = (cookie: string) => cookie.split('=')[0] ?? '';
