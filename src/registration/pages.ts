// The pages that mails and other sites lead to: sign-up, an invitation, and the confirmation of an address. What stands in a
// link leaves the address with the first answer, so that no history and no log keeps it.
import { z } from 'zod';
import { type Page, type PageInput, type PageResult, page } from '../platform/http/page.ts';
import type { Registration } from './registration.ts';
import { INVITATION, REGISTERING, REGISTRATION_CODE } from './schema.ts';

const VERIFICATION = 'verify-address';

const CARRIED_SECONDS = 3600;

export interface RegistrationPageDeps {
  readonly registration: Registration;
  /** An authorization request of the server's own pages, so that a registration is a sign-in like any other. */
  readonly signUpAt: string;
}

const token = z.string().min(1).max(100).optional().catch(undefined);
const carry = (name: string, value: string | null) => ({ name, value, seconds: CARRIED_SECONDS });

type AnyInput = Pick<PageInput<unknown, unknown, unknown>, 't'>;

export function registrationPages(deps: RegistrationPageDeps): Page[] {
  return [...signUpPages(deps), ...verifyPages(deps)];
}

function signUpPages({ registration, signUpAt }: RegistrationPageDeps): Page[] {
  const isOpen = registration.mode !== 'closed';
  const show = ({ t }: AnyInput, model: object, status = 200): PageResult => ({
    kind: 'view',
    view: 'registration/invitation',
    title: t('invitation.title'),
    status,
    headers: { 'Referrer-Policy': 'no-referrer' },
    model: { isOpen, acceptHref: '/account/invitation', invitation: null, ...model },
  });

  return [
    page({
      method: 'GET',
      path: '/sign-up',
      limit: 'page',
      query: z.object({ invitation: token, code: token }),
      async run(input) {
        const { invitation, code } = input.query;
        if (invitation !== undefined) {
          return { kind: 'redirect', to: '/sign-up/invitation', carry: [carry(INVITATION, invitation)] };
        }
        if (!isOpen) return show(input, { isClosed: true }, 403);
        return {
          kind: 'redirect',
          to: signUpAt,
          carry: code === undefined ? [] : [carry(REGISTRATION_CODE, code)],
        };
      },
    }),
    page({
      method: 'GET',
      path: '/sign-up/invitation',
      limit: 'page',
      async run(input) {
        const found = await registration.invitations.open(input.carried(INVITATION) ?? '');
        if (found === undefined) return show(input, {}, 410);
        const { organizationName: organization, teamName: team, email } = found;
        return show(input, {
          invitation: { organization, team, email },
          registerHref: isOpen ? signUpAt : null,
        });
      },
    }),
  ];
}

function verifyPages({ registration }: RegistrationPageDeps): Page[] {
  const show = (
    { t }: AnyInput,
    state: 'ask' | 'done' | 'elsewhere' | 'over',
    email: string | null,
    status = 200,
  ): PageResult => ({
    kind: 'view',
    view: 'registration/verify-address',
    title: t('verify.title'),
    status,
    headers: { 'Referrer-Policy': 'no-referrer' },
    model: { state, email },
  });
  const peek = ({ carried }: Pick<PageInput<unknown, unknown, unknown>, 'carried'>) =>
    registration.peekLink(carried(VERIFICATION) ?? '', carried(REGISTERING));

  return [
    page({
      method: 'GET',
      path: '/verify-address',
      limit: 'page',
      query: z.object({ token }),
      async run(input) {
        if (input.query.token !== undefined) {
          const carried = [carry(VERIFICATION, input.query.token)];
          return { kind: 'redirect', to: '/verify-address', carry: carried };
        }
        // Looking uses nothing up: programs that open the links of mails before people do must not.
        const found = await peek(input);
        if (found === undefined) return show(input, 'over', null, 410);
        return found.isHere ? show(input, 'ask', found.email) : show(input, 'elsewhere', null);
      },
    }),
    page({
      method: 'POST',
      path: '/verify-address',
      limit: 'sign-in',
      async run(input) {
        const token = input.carried(VERIFICATION) ?? '';
        if (await registration.proveByLink(token, input.carried(REGISTERING))) {
          return show(input, 'done', null);
        }
        return (await peek(input)) ? show(input, 'elsewhere', null, 403) : show(input, 'over', null, 410);
      },
    }),
  ];
}
