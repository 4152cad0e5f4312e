// The page on which somebody who has an account accepts or declines an invitation to an organization.
import type { Accounts } from '../accounts/accounts.ts';
import {
  accountPage,
  type Page,
  type PageInput,
  type PageResult,
  type Person,
} from '../platform/http/page.ts';
import { comparedAddress } from './invitations.ts';
import type { Registration } from './registration.ts';
import { INVITATION } from './schema.ts';

export interface InvitationPageDeps {
  readonly registration: Pick<Registration, 'invitations'>;
  readonly accounts: Pick<Accounts, 'find'>;
}

const PATH = '/account/invitation';

type Input = Pick<PageInput<unknown, unknown, unknown>, 't' | 'carried'> & { readonly person: Person };

export function invitationPages({ registration, accounts }: InvitationPageDeps): Page[] {
  const { invitations } = registration;

  async function show(input: Input, status = 200): Promise<PageResult> {
    const found = await invitations.open(input.carried(INVITATION) ?? '');
    const account = await accounts.find(input.person.accountId);
    const isTheirs = found !== undefined && comparedAddress(account) === found.normalized;
    return {
      kind: 'view',
      view: 'self-service/invitation',
      title: input.t('invitation.title'),
      nav: 'organizations',
      status: found === undefined ? 410 : status,
      model: {
        invitation: found && {
          organization: found.organizationName,
          team: found.teamName,
          email: found.email,
        },
        isTheirs,
        email: account?.email ?? null,
        acceptAction: `${PATH}/accept`,
        declineAction: `${PATH}/decline`,
        switchHref: `/account/sign-in?switch=1&back=${encodeURIComponent(PATH)}`,
      },
    };
  }

  const act = (name: 'accept' | 'decline', done: string) =>
    accountPage({
      method: 'POST',
      path: `${PATH}/${name}`,
      limit: 'page',
      async run(input) {
        const isDone = await invitations[name](input.carried(INVITATION) ?? '', input.person.accountId);
        if (!isDone) return show(input, 409);
        const gone = { name: INVITATION, value: null, seconds: 0 };
        return { kind: 'redirect', to: `/account?done=${done}`, carry: [gone] };
      },
    });

  return [
    accountPage({ method: 'GET', path: PATH, limit: 'page', run: (input) => show(input) }),
    act('accept', 'invitation-accepted'),
    act('decline', 'invitation-declined'),
  ];
}
