// Examinations of protections at work: requests that must be refused are made at the public address, and they are.
import { isProblem, type Problem } from '../platform/inspect/problem.ts';
import type { PublicAnswer } from '../platform/inspect/public-address.ts';
import { type Examination, failed, type Judgement, notMeasured, ok } from './examination.ts';
import { type Facts, type PublicFacts, SCRIPT } from './facts.ts';

const REPORT = 'This is a defect, or something else answers at ISSUER: see SECURITY.md on how to report it.';

type Asked = {
  [Name in keyof PublicFacts]: PublicFacts[Name] extends PublicAnswer | Problem ? Name : never;
}[keyof PublicFacts];

/** Judges one answer; without any, there is nothing to judge. */
const answered =
  (name: Asked, judge: (answer: PublicAnswer, facts: Facts) => Judgement) =>
  (facts: Facts): Judgement => {
    const answer = facts.public[name];
    return isProblem(answer)
      ? notMeasured(`The public address does not answer: ${answer.problem}.`)
      : judge(answer, facts);
  };

export const protectionExaminations: readonly Examination[] = [
  {
    id: 'security-headers',
    title: 'Pages carry security headers',
    judge: answered('page', ({ headers }, { config }) => {
      const missing = Object.entries(wantedHeaders(config.issuer.startsWith('https:')))
        .filter(([name, pattern]) => !pattern.test(headers.get(name) ?? ''))
        .map(([name]) => name);
      if (missing.length === 0)
        return ok('Content-Security-Policy, X-Content-Type-Options and the others arrive.');
      return failed(
        `These do not arrive as they were sent: ${missing.join(', ')}.`,
        'The proxy removes or replaces them: take that out of its configuration.',
      );
    }),
  },
  {
    id: 'rate-limit',
    title: 'Requests are counted',
    judge: answered('malformed', ({ headers }) =>
      headers.has('ratelimit')
        ? ok('The token endpoint says what is left of its limit.')
        : failed(
            'The token endpoint names no limit.',
            'Check the settings LIMIT_…, and whether the proxy removes RateLimit.',
          ),
    ),
  },
  {
    id: 'input-validation',
    title: 'Malformed input is refused',
    judge: answered('malformed', ({ status, text }) =>
      status === 400 && /"error"\s*:/.test(text)
        ? ok('A malformed token request got 400 and an error code.')
        : failed(`A malformed token request got ${status}.`, REPORT),
    ),
  },
  {
    id: 'sql-injection',
    title: 'Quotes in input stay text',
    judge: answered('quote', ({ status }) =>
      status === 400 || status === 401
        ? ok(
            'A quote in a client id was looked up as text. Every statement of the server has its values apart.',
          )
        : failed(`A quote in a client id got ${status}.`, REPORT),
    ),
  },
  {
    id: 'xss',
    title: 'Markup in input stays text',
    judge: answered('script', ({ text, headers }) => {
      const policy = headers.get('content-security-policy') ?? '';
      if (text.includes(SCRIPT)) return failed('A script in a query came back as a script.', REPORT);
      if (!policy.includes("'unsafe-inline'") && policy !== '') {
        return ok('A script in a query came back as text, and the policy of the page would not run it.');
      }
      return failed(
        'The policy of an error page would run scripts.',
        'The proxy replaces Content-Security-Policy: take that out.',
      );
    }),
  },
  {
    id: 'csrf',
    title: 'Forms of other sites are refused',
    judge: answered('forged', ({ status }) =>
      status === 403
        ? ok('A form sent from another site got 403.')
        : failed(
            `A form sent from another site got ${status}.`,
            'The proxy removes Sec-Fetch-Site or Origin: take that out.',
          ),
    ),
  },
  {
    id: 'permissions',
    title: 'The management API asks who calls',
    judge: answered('unauthorized', ({ status }) =>
      status === 401
        ? ok('A call without a token got 401.')
        : failed(
            `A call without a token got ${status}.`,
            'Check whether the proxy adds credentials of its own.',
          ),
    ),
  },
];

function wantedHeaders(secure: boolean): Record<string, RegExp> {
  return {
    'content-security-policy': /default-src 'none'|default-src 'self'/,
    'x-content-type-options': /^nosniff$/,
    'referrer-policy': /./,
    'cache-control': /no-store/,
    ...(secure && { 'strict-transport-security': /max-age=[1-9]\d{6,}/ }),
  };
}
