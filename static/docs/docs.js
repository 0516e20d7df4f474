// The interface's page: the document of this very server, drawn by Swagger UI, light or dark as the
// reader's system is. Nothing is fetched but that document, and nothing is sent to anybody else.

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

globalThis.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: false,
  // The validator is another site's.
  validatorUrl: null,
  // Sessions and keys are this server's own; a cookie goes along as with any request of a page.
  withCredentials: true,
  persistAuthorization: false,
});
