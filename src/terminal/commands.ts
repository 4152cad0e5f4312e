// gatehouse login, whoami, token, logout.
import type { Command } from '../platform/command.ts';
import type { DeviceCode } from './issuer.ts';
import type { Person, Terminal } from './terminal.ts';

export const commands: Command<{ terminal: Terminal }>[] = [
  {
    name: 'login',
    summary: 'Sign in at this terminal, with a browser on any device.',
    options: [
      { name: 'scope', value: 'scope', repeat: true, summary: 'Ask for this scope or permission too.' },
      {
        name: 'max-age',
        value: 'seconds',
        summary: 'Sign in again in the browser if the sign-in there is older than that.',
      },
    ],
    async run({ services, io, options }) {
      const show = (code: DeviceCode) => {
        io.note(`Open ${code.verificationUri} and enter the code ${code.userCode}`);
        if (code.verificationUriComplete !== undefined) io.note(`or open ${code.verificationUriComplete}`);
        io.note('Waiting for you to sign in ...');
      };
      const person = await services.terminal.signIn(options.list('scope'), show, options.number('max-age'));
      return { json: person.claims, text: `Signed in as ${nameOf(person)}.` };
    },
  },
  {
    name: 'whoami',
    summary: 'Show who is signed in at this terminal.',
    async run({ services }) {
      const person = await services.terminal.whoAmI();
      return { json: person.claims, text: nameOf(person) };
    },
  },
  {
    name: 'token',
    summary: 'Print a fresh access token for the management API.',
    async run({ services }) {
      const { token, expiresAt } = await services.terminal.accessToken();
      return { json: { accessToken: token, expiresAt: expiresAt.toISOString() }, text: token };
    },
  },
  {
    name: 'logout',
    summary: 'Sign out at this terminal: revoke its tokens and delete them.',
    async run({ services, io }) {
      const { wasSignedIn, serverTold } = await services.terminal.signOut();
      if (wasSignedIn && !serverTold) {
        io.note(
          'The server did not answer: the tokens are deleted here and stay valid there until they end.',
        );
      }
      const text = wasSignedIn ? 'Signed out.' : 'Nobody was signed in.';
      return { json: { wasSignedIn, serverTold }, text };
    },
  },
];

function nameOf({ subject, claims }: Person): string {
  const names = [claims.name, claims.preferred_username, claims.email].filter(
    (name) => typeof name === 'string',
  );
  return names.length === 0 ? subject : `${names[0]} (${subject})`;
}
