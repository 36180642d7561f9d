// Lists and makes issues, and comments on them, by GitHub's REST API, version 2022-11-28
// (https://docs.github.com/en/rest/issues). The broker sets the token: this code never sees it.
import {
  Header,
  HttpResponse,
  Json,
  JsonKind,
  config,
  fail,
  http,
  inputJson,
  outputJson,
} from '@portarium/sdk/assembly';
import { cursorOf, nextOf, queryOf } from './pages';
import { problemOf, uncertainProblemOf } from './problem';

export function list_issues(): i32 {
  const baseUrl = config('baseUrl');
  if (baseUrl === null) return fail('the configuration has no baseUrl');
  const input = inputJson();
  const most = <i32>input.getNumber('maxPages', 1);
  const issues = Json.array();
  let pullRequests = 0;
  let next: Json | null = cursorOf(input);
  for (let page = 0; page < most && next !== null; page++) {
    const url = issuesUrl(baseUrl, input) + '?' + queryOf(input, next);
    const response = http.get(url, headersOf(false));
    if (!response.ok) return fail(problemOf(response));
    const list = response.json();
    if (list === null || list.kind != JsonKind.Array) {
      return fail('GitHub answered without a list of issues');
    }
    for (let i = 0; i < list.length; i++) {
      // GitHub lists pull requests among issues; only they have this member.
      if (list.at(i).get('pull_request') !== null) pullRequests++;
      else issues.push(issueOf(list.at(i)));
    }
    next = nextOf(response.header('link'));
  }
  const result = Json.object()
    .set('issues', issues)
    .set('pullRequestsLeftOut', Json.number(pullRequests));
  if (next !== null) result.set('next', next);
  outputJson(result);
  return 0;
}

export function create_issue(): i32 {
  const input = inputJson();
  const body = Json.object().set('title', Json.string(input.getString('title')));
  copy(input, 'body', body);
  copy(input, 'labels', body);
  copy(input, 'assignees', body);
  const response = post('', input, body);
  if (response === null) return fail('the configuration has no baseUrl');
  if (!response.ok) return fail(uncertainProblemOf(response, 'issue'));
  const issue = response.json();
  if (issue === null || issue.getNumber('number') < 1) return fail(unreadable('issue'));
  outputJson(issueOf(issue));
  return 0;
}

export function comment_on_issue(): i32 {
  const input = inputJson();
  const body = Json.object().set('body', Json.string(input.getString('body')));
  const issue = (<i64>input.getNumber('number')).toString();
  const response = post('/' + issue + '/comments', input, body);
  if (response === null) return fail('the configuration has no baseUrl');
  if (!response.ok) return fail(uncertainProblemOf(response, 'comment'));
  const comment = response.json();
  if (comment === null || comment.getNumber('id') < 1) return fail(unreadable('comment'));
  const url = comment.getString('html_url');
  outputJson(
    Json.object()
      .set('id', Json.number(comment.getNumber('id')))
      .set('url', Json.string(url))
      // The API comments on both alike; the address says which it was.
      .set('onPullRequest', Json.bool(url.includes('/pull/')))
      .set('createdAt', Json.string(comment.getString('created_at'))),
  );
  return 0;
}

/** Null without a configured address. Members in one fixed order: the journal compares bytes. */
function post(below: string, input: Json, body: Json): HttpResponse | null {
  const baseUrl = config('baseUrl');
  if (baseUrl === null) return null;
  const url = issuesUrl(baseUrl, input) + below;
  return http.request('POST', url, headersOf(true), body.toString());
}

function issuesUrl(baseUrl: string, input: Json): string {
  const owner = encodeURIComponent(input.getString('owner'));
  const repository = encodeURIComponent(input.getString('repository'));
  return baseUrl + '/repos/' + owner + '/' + repository + '/issues';
}

/** GitHub refuses requests without a `user-agent`. */
function headersOf(withBody: bool): Header[] {
  const headers = [
    new Header('accept', 'application/vnd.github+json'),
    new Header('user-agent', 'portarium-github-issues'),
    new Header('x-github-api-version', '2022-11-28'),
  ];
  if (withBody) headers.push(new Header('content-type', 'application/json'));
  return headers;
}

function issueOf(issue: Json): Json {
  const result = Json.object()
    .set('number', Json.number(issue.getNumber('number')))
    .set('title', Json.string(issue.getString('title')))
    .set('state', Json.string(issue.getString('state', 'unknown')))
    .set('url', Json.string(issue.getString('html_url')))
    .set('labels', labelsOf(issue))
    .set('comments', Json.number(issue.getNumber('comments')))
    .set('createdAt', Json.string(issue.getString('created_at')));
  // An account that is gone has no user.
  const user = issue.get('user');
  if (user !== null && user.kind == JsonKind.Object) {
    result.set('author', Json.string(user.getString('login')));
  }
  return result;
}

/** A label is an object with a name, or the name itself. */
function labelsOf(issue: Json): Json {
  const names = Json.array();
  const labels = issue.get('labels');
  if (labels === null || labels.kind != JsonKind.Array) return names;
  for (let i = 0; i < labels.length; i++) {
    const label = labels.at(i);
    if (label.kind == JsonKind.String) names.push(label);
    else names.push(Json.string(label.getString('name')));
  }
  return names;
}

function copy(from: Json, name: string, to: Json): void {
  const value = from.get(name);
  if (value !== null) to.set(name, value);
}

function unreadable(what: string): string {
  return `GitHub accepted the ${what} and answered with something that is none; look for it at GitHub before you ask again`;
}
