// ReDoc over this server's own document, with the system's fonts.
const system = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

Redoc.init(
  "openapi.json",
  {
    hideDownloadButton: false,
    jsonSampleExpandLevel: 4,
    sortRequiredPropsFirst: true,
    theme: {
      typography: {
        fontFamily: system,
        headings: { fontFamily: system },
        code: { fontFamily: "ui-monospace, 'Cascadia Mono', Consolas, monospace" },
      },
    },
  },
  document.getElementById("document"),
);
