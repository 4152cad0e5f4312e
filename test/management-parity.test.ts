// What the command line can do the management API can do, and the other way round; what only one can says why.
import { describe, expect, it } from 'vitest';
import { managementRoutes } from '../src/app.ts';
import { program } from '../src/cli.ts';
import { useGatehouse } from './support/gatehouse.ts';

const gatehouse = useGatehouse();

/** Command → the operations that do the same. */
const same: Record<string, readonly string[]> = {
  'user list': ['listAccounts'],
  'user show': ['getAccount', 'getSignInState'],
  'user create': ['createAccount'],
  'user change': ['changeAccount'],
  'user suspend': ['suspendAccount'],
  'user reinstate': ['reinstateAccount'],
  'user keep': ['keepAccount'],
  'user delete': ['deleteAccount'],
  'user factors': ['listFactors'],
  'user reset-factors': ['resetFactors'],
  'user reset-password': ['resetPassword'],
  'user release': ['releaseAccount', 'releaseAddress'],
  'user require-password-change': ['requirePasswordChange'],
  'client create': ['createClient'],
  'client list': ['listClients'],
  'client show': ['getClient'],
  'client change': ['changeClient'],
  'client delete': ['deleteClient'],
  'client secrets': ['listClientSecrets'],
  'client add-secret': ['addClientSecret'],
  'client retire-secret': ['retireClientSecret'],
  'api create': ['createApi'],
  'api list': ['listApis'],
  'api show': ['getApi'],
  'api change': ['changeApi'],
  'api delete': ['deleteApi'],
  'access resource set': ['putResource', 'getResource'],
  'access resource import': ['putResources'],
  'access resource list': ['listResources'],
  'access resource remove': ['deleteResource'],
  'key create': ['createApiKey', 'createOwnApiKey'],
  'key list': ['listApiKeys', 'listOwnApiKeys'],
  'key show': ['getApiKey', 'getOwnApiKey', 'listApiKeyFamily', 'listOwnApiKeyFamily'],
  'key change': ['changeApiKey', 'changeOwnApiKey'],
  'key rotate': ['rotateApiKey', 'rotateOwnApiKey'],
  'key revoke': ['revokeApiKey', 'revokeOwnApiKey'],
  'key disable': ['disableApiKey', 'disableOwnApiKey'],
  'key compromised': ['reportCompromisedApiKey'],
  'key logs': ['listAuditEvents'],
  'key enable': ['enableApiKey', 'enableOwnApiKey'],
  'role create': ['createRole'],
  'role list': ['listRoles'],
  'role show': ['getRole'],
  'role change': ['changeRole'],
  'role remove': ['deleteRole'],
  'role assign': ['assignRole'],
  'role unassign': ['unassignRole'],
  'role members': ['listRoleAssignments'],
  'access explain': ['explainAccess'],
  'access list': ['getEffectivePermissions', 'listSubjectRoles'],
  'org create': ['createOrganization'],
  'org list': ['listOrganizations'],
  'org show': ['getOrganization'],
  'org change': ['changeOrganization'],
  'org suspend': ['suspendOrganization'],
  'org reinstate': ['reinstateOrganization'],
  'org delete': ['deleteOrganization'],
  'org members': ['listMembers', 'getMember'],
  'org add-member': ['addMember'],
  'org remove-member': ['removeMember'],
  'user organizations': ['listAccountOrganizations', 'listOwnOrganizations'],
  'org invite': ['createInvitation'],
  'org invitations': ['listInvitations'],
  'org revoke-invitation': ['revokeInvitation'],
  'org resend-invitation': ['resendInvitation'],
  'registration-code create': ['createRegistrationCode'],
  'registration-code list': ['listRegistrationCodes'],
  'registration-code revoke': ['revokeRegistrationCode'],
  'team create': ['createTeam'],
  'team list': ['listTeams'],
  'team show': ['getTeam'],
  'team change': ['changeTeam'],
  'team delete': ['deleteTeam'],
  'team members': ['listTeamMembers'],
  'team add-member': ['addTeamMember'],
  'team remove-member': ['removeTeamMember'],
  'budget set': ['setBudget'],
  'budget list': ['listBudgets'],
  'budget show': ['getBudget', 'listBudgetWindows'],
  'budget change': ['changeBudget'],
  'budget adjust': ['adjustBudget'],
  'budget remove': ['deleteBudget'],
  'budget meters': ['listMeters'],
  'budget add-meter': ['addMeter'],
  'budget remove-meter': ['removeMeter'],
  'usage list': ['listUsage'],
  'usage export': ['exportUsage'],
  'key usage': ['listUsage', 'exportUsage'],
  'session list': ['listSessions', 'getSession'],
  'session end': ['endSession', 'endSessions'],
  'grant list': ['listGrants'],
  'grant revoke': ['revokeGrant'],
  'logout list': ['listLogoutDeliveries'],
  'logout retry': ['retryLogoutDelivery'],
  'message list': ['listMessages', 'getMessage'],
  'message retry': ['retryMessage'],
  'signing-keys list': ['listSigningKeys'],
  'signing-keys rotate': ['rotateSigningKeys'],
  'signing-keys withdraw': ['withdrawSigningKey'],
  'audit list': ['listAuditEvents'],
  'audit export': ['listAuditEvents'],
  'audit refusals': ['listAuditRefusals'],
  'job list': ['listJobs'],
  jobs: ['listJobs'],
  'job run': ['runJob'],
  'config check': ['listSettings'],
  whoami: ['getCaller'],
};

/** Command → why there is no call for it. */
const onlyCommand: Record<string, RegExp> = {
  'message preview': /with sample values/,
  'budget check': /the whole ledger of amounts is read/,
  'user import': /a file of millions is read where it lies/,
  'user set-password': /nobody else chooses a person's password over the network/,
};

/** Commands of the machine itself: they start, install, repair or move the server, or sign a terminal in. */
const ofTheMachine =
  /^(serve|migrate|version|init|key inspect|owner-key .*|login|logout|token|doctor|backup.*|restore|move|master-key .*|.*-key rotate|key pepper .*)$/;

/** Operation → why there is no command for it. */
const onlyOperation: Record<string, string> = {
  listOwnFactors: 'whoever holds the factors signs in at a browser; the account pages are the other way',
  renameOwnFactor: 'a change of factors needs a person who signed in lately',
  removeOwnFactor: 'so does its removal',
  beginOwnTotp: 'and its set-up',
  verifyOwnTotp: 'and its set-up',
  beginOwnSms: 'and its set-up',
  verifyOwnSms: 'and its set-up',
  beginOwnMail: 'and its set-up',
  verifyOwnMail: 'and its set-up',
  countOwnRecoveryCodes: 'they belong to the person alone',
  renewOwnRecoveryCodes: 'they are shown to the person alone',
  reserveBudgets: 'services reserve before they work',
  settleReservation: 'they settle with what it took',
  releaseReservation: 'or give it back',
  reportAccess: 'reports come from services',
  verifyCredential: 'gateways and services ask, about what others present to them',
};

describe('the command line and the management API', () => {
  const commands = program.commands.map(({ definition }) => definition.name);

  it('can do the same: each command has its operations, or says why not', () => {
    const open = commands.filter(
      (name) => !(name in same) && !(name in onlyCommand) && !ofTheMachine.test(name),
    );
    expect(open).toEqual([]);
    expect(
      [...Object.keys(same), ...Object.keys(onlyCommand)].filter((name) => !commands.includes(name)),
    ).toEqual([]);
  });

  it('can do the same: each operation has its command, or says why not', () => {
    const operations = managementRoutes(gatehouse.services).map(({ operation }) => operation);
    const named = new Set([...Object.values(same).flat(), ...Object.keys(onlyOperation)]);
    expect(operations.filter((name) => !named.has(name))).toEqual([]);
    expect([...named].filter((name) => !operations.includes(name))).toEqual([]);
  });
});
