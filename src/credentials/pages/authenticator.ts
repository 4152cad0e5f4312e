// Adding an authenticator app: a QR code or a key to type, and a first code that shows that it worked.
import { z } from 'zod';
import {
  accountPage,
  type Page,
  type PageInput,
  type PageResult,
  type Person,
} from '../../platform/http/page.ts';
import {
  afterAdding,
  byThemselves,
  SECURITY,
  type SecurityPageDeps,
  securityView,
  sentenceOf,
} from './frame.ts';

const PATH = `${SECURITY}/authenticator`;

const Form = z.object({
  enrolment: z.string().max(1000),
  code: z.string().trim().min(1).max(40),
  name: z.string().max(240).default(''),
});

type Input = Pick<PageInput<unknown, unknown, unknown>, 't' | 'typed'> & { readonly person: Person };

export function authenticatorPages(deps: SecurityPageDeps): Page[] {
  const { totp } = deps.credentials.factors;

  async function show(
    { person, t, typed }: Input,
    shown: {
      enrolment?: string | undefined;
      code?: string;
      name?: string;
      error?: string;
      status?: number;
    } = {},
  ): Promise<PageResult> {
    const { enrolment, secret, svg } =
      shown.enrolment === undefined
        ? await totp.begin(person.accountId)
        : await totp.resume(person.accountId, shown.enrolment);
    const model = {
      action: PATH,
      cancel: SECURITY,
      enrolment,
      secret,
      qrCode: svg,
      name: typed.name ?? t('security.kind.totp'),
      error: shown.error ?? null,
      fieldErrors: { code: shown.code ?? null, name: shown.name ?? null },
    };
    return securityView('authenticator', 'security.totp.title', model, { status: shown.status ?? 200 });
  }

  return [
    accountPage({
      method: 'GET',
      path: PATH,
      limit: 'page',
      sensitive: true,
      run: (input) => show(input),
    }),
    accountPage({
      method: 'POST',
      path: PATH,
      limit: 'sign-in',
      sensitive: true,
      form: Form,
      async run(input) {
        const { person, form, formErrors, typed, t } = input;
        const { enrolment } = typed;
        try {
          if (form === undefined) {
            const code = formErrors.code && t(formErrors.code);
            return await show(input, { enrolment, ...(code && { code }), status: 400 });
          }
          const name = form.name.trim() || t('security.kind.totp');
          const given = { ...form, name };
          const added = await totp.confirm(person.accountId, given, byThemselves(person));
          return await afterAdding(deps, input, added);
        } catch (error) {
          const { code, text, status } = sentenceOf(error, t);
          if (code === 'code_wrong')
            return show(input, { enrolment, code: t('security.code.wrong'), status });
          if (code === 'request_invalid') {
            return show(input, { enrolment, name: t('security.name.error'), status });
          }
          return show(input, { error: text, status });
        }
      },
    }),
  ];
}
