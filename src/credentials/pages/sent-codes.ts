// Adding a number or an address for one-time codes: where to, and then the code that arrived there.
import { z } from 'zod';
import {
  accountPage,
  type Page,
  type PageInput,
  type PageResult,
  type Person,
} from '../../platform/http/page.ts';
import { waitInWords } from '../../platform/http/render-page.ts';
import {
  afterAdding,
  byThemselves,
  SECURITY,
  type SecurityPageDeps,
  securityView,
  sentenceOf,
} from './frame.ts';

const Params = z.object({ channel: z.enum(['sms', 'mail']) });
type Channel = z.output<typeof Params>['channel'];

/** Two steps on one address: `code` is there in the second one. */
const Form = z.object({
  to: z.string().trim().max(254).default(''),
  code: z.string().trim().max(40).optional(),
  name: z.string().max(240).default(''),
});

interface Shown {
  readonly step: 'to' | 'code';
  readonly sentTo?: string;
  readonly error?: string;
  readonly fieldErrors?: Readonly<Record<string, string>>;
  readonly status?: number;
}

type Input = Pick<PageInput<unknown, unknown, unknown>, 't' | 'typed' | 'locale' | 'ctx'> & {
  readonly person: Person;
  readonly params: { readonly channel: Channel };
};

const pathOf = (channel: Channel) => `${SECURITY}/codes/${channel}`;

export function sentCodePages(deps: SecurityPageDeps): Page[] {
  const { codes } = deps.credentials.factors;

  function show({ t, typed, person, params: { channel } }: Input, shown: Shown): PageResult {
    const model = {
      action: pathOf(channel),
      cancel: SECURITY,
      channel,
      step: shown.step,
      to: typed.to ?? '',
      ownAddress: person.email,
      sentTo: shown.sentTo ?? typed.to ?? '',
      name: typed.name ?? t(`security.kind.${channel}`),
      error: shown.error ?? null,
      fieldErrors: shown.fieldErrors ?? {},
    };
    return securityView('codes', `security.${channel}.title`, model, { status: shown.status ?? 200 });
  }

  async function send(input: Input, to: string): Promise<PageResult> {
    const { person, params, t, locale } = input;
    const where = params.channel === 'sms' ? { channel: params.channel, to } : { channel: params.channel };
    try {
      const sent = await codes.begin(person.accountId, where, person.sessionId, locale);
      if (sent.kind === 'sent') return show(input, { step: 'code', sentTo: sent.to });
      const error = t('security.codes.limited', { wait: waitInWords(t, sent.retryAfterSeconds) });
      return show(input, { step: 'to', error, status: 429 });
    } catch (error) {
      const { code, text, status } = sentenceOf(error, t);
      return code.startsWith('phone_')
        ? show(input, { step: 'to', fieldErrors: { to: text }, status })
        : show(input, { step: 'to', error: text, status });
    }
  }

  async function confirm(input: Input, typed: { code: string; name: string }): Promise<PageResult> {
    const { person, params, t } = input;
    const { channel } = params;
    try {
      const name = typed.name.trim() || t(`security.kind.${channel}`);
      const given = { channel, code: typed.code, binding: person.sessionId, name };
      const added = await codes.confirm(person.accountId, given, byThemselves(person));
      return await afterAdding(deps, input, added);
    } catch (error) {
      const { code, text, status } = sentenceOf(error, t);
      if (code === 'code_expired') return show(input, { step: 'to', error: text, status });
      const field =
        code === 'code_wrong' ? { code: t('security.code.wrong') } : { name: t('security.name.error') };
      return code === 'code_wrong' || code === 'request_invalid'
        ? show(input, { step: 'code', fieldErrors: field, status })
        : show(input, { step: 'to', error: text, status });
    }
  }

  const path = `${SECURITY}/codes/:channel`;
  return [
    accountPage({
      method: 'GET',
      path,
      limit: 'page',
      sensitive: true,
      params: Params,
      run: (input) => show(input, { step: 'to' }),
    }),
    accountPage({
      method: 'POST',
      path,
      limit: 'sign-in',
      sensitive: true,
      params: Params,
      form: Form,
      run(input) {
        const { form, t } = input;
        const required = t('field.error.required');
        if (form === undefined)
          return show(input, { step: 'to', fieldErrors: { to: required }, status: 400 });
        if (form.code === undefined) return send(input, form.to);
        if (form.code === '') {
          return show(input, { step: 'code', fieldErrors: { code: required }, status: 400 });
        }
        return confirm(input, { code: form.code, name: form.name });
      },
    }),
  ];
}
