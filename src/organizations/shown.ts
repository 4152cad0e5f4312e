// What the commands of organizations and teams share: pages, and how members are shown.
import type { Page, PageRequest } from '../lib/page.ts';
import type { CommandOption, CommandResult, Io, Options } from '../platform/command.ts';
import { type Member, MemberView } from './schema.ts';

const DEFAULT_LIMIT = 50;
const MAXIMUM_LIMIT = 500;

export const pageOptions: CommandOption[] = [
  {
    name: 'limit',
    value: 'number',
    summary: `How many, ${DEFAULT_LIMIT} unless told, at most ${MAXIMUM_LIMIT}.`,
  },
  { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
];

export function pageOf(options: Options): PageRequest {
  const limit = Math.min(Math.max(options.number('limit') ?? DEFAULT_LIMIT, 1), MAXIMUM_LIMIT);
  return { limit, cursor: options.text('cursor') ?? null };
}

export function membersShown(page: Page<Member>, io: Io): CommandResult {
  if (page.nextCursor !== null) io.note(`More: --cursor ${page.nextCursor}`);
  return {
    json: { ...page, items: page.items.map((member) => MemberView.parse(member)) },
    text: {
      columns: ['account', 'mail address', 'user name', 'name', 'status'],
      rows: page.items.map(({ accountId, email, username, name, status }) => [
        ...[accountId, email, username, name, status],
      ]),
      empty: 'Nobody.',
    },
  };
}
