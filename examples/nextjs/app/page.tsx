// Which server the browser watches at is known when the page is asked for, not when it is built.

import { Post } from "./post";

export const dynamic = "force-dynamic";

export default function Page() {
  const server = process.env.TAILWATER_PUBLIC_URL ?? process.env.TAILWATER_SERVER ?? "http://localhost:8080";
  return <Post server={server} />;
}
