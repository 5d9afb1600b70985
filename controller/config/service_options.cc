// SPDX-License-Identifier: Apache-2.0
//
// [ironic] and [inspector]: names, meanings and defaults are keystoneauth's
// (its auth plug-ins, Session and Adapter) and those that Ironic gives it.
#include <array>
#include <charconv>
#include <utility>

#include "controller/config/option_checks.h"
#include "controller/config/option_groups.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct NamedAuthType {
  std::string_view name;
  AuthType type;
};
constexpr std::array kAuthTypes = {
    NamedAuthType{"none", AuthType::kNone},
    NamedAuthType{"http_basic", AuthType::kHttpBasic},
    NamedAuthType{"password", AuthType::kPassword},
    NamedAuthType{"v3password", AuthType::kPassword},
    NamedAuthType{"v3applicationcredential", AuthType::kApplicationCredential},
    NamedAuthType{"token", AuthType::kToken},
    NamedAuthType{"v3token", AuthType::kToken}};
constexpr auto kAuthTypeNames = [] {
  std::array<std::string_view, kAuthTypes.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kAuthTypes[i].name;
  return names;
}();

constexpr std::array kAuthTypeAliases = {OptionAlias{"", "auth_plugin"}};
constexpr std::array kUsernameAliases = {OptionAlias{"", "user_name"}};
constexpr std::array kProjectIdAliases = {OptionAlias{"", "tenant_id"}};
constexpr std::array kProjectNameAliases = {OptionAlias{"", "tenant_name"}};
constexpr std::array kInterfacesAliases = {OptionAlias{"", "interface"}};
// keystoneauth's plug-ins `none` and `http_basic` call it so.
constexpr std::array kEndpointAliases = {OptionAlias{"", "endpoint", false}};

// What differs between the two sections.
struct Service {
  std::string_view section;
  std::string_view endpoint_help;
  std::string_view example;
  std::string_view type;
  std::string_view timeout;
  std::string_view timeout_help;
};

template <ServiceConfig Config::*kService>
constexpr auto address_options(const Service& service) {
  const std::string_view section = service.section;
  return std::to_array<Option>(
      {{.section = section,
        .name = "endpoint_override",
        .type = OptionType::kUrl,
        .default_text = "",
        .help = service.endpoint_help,
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).endpoint_override = std::move(v);
            },
        .check = check_url,
        .expected = "a URL such as http://192.0.2.1:6385",
        .aliases = kEndpointAliases,
        .example = service.example},
       {.section = section,
        .name = "service_type",
        .type = OptionType::kString,
        .default_text = service.type,
        .help = "The service to look for in Keystone's catalogue.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).service_type = std::move(v);
            },
        .check = check_word,
        .expected = "a type of service"},
       {.section = section,
        .name = "service_name",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The name of the service in Keystone's catalogue, where "
                "several are of that type.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).service_name = std::move(v);
            }},
       {.section = section,
        .name = "valid_interfaces",
        .type = OptionType::kList,
        .default_text = "internal, public",
        .help = "Which of the service's endpoints in Keystone's catalogue to "
                "use: the first of these that it has.",
        .set =
            +[](Config& c, std::vector<std::string> v) {
              (c.*kService).valid_interfaces = std::move(v);
            },
        .check = check_endpoint_interface,
        .expected = "public, internal and admin",
        .aliases = kInterfacesAliases},
       {.section = section,
        .name = "region_name",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The region whose endpoint to use. Set it where Keystone's "
                "catalogue has several regions.",
        .set = +[](Config& c, std::string v) {
          (c.*kService).region_name = std::move(v);
        }}});
}

template <ServiceConfig Config::*kService>
constexpr auto login_options(const Service& service) {
  const std::string_view section = service.section;
  return std::to_array<Option>(
      {{.section = section,
        .name = "auth_type",
        .type = OptionType::kChoice,
        .default_text = "none",
        .help =
            "How to log in. none and http_basic are for a service without "
            "Keystone; the others log in at Keystone, at auth_url. Unset where "
            "auth_url is set, it is password. Give the account system scope "
            "(system_scope = all) and the role reader: one that is scoped to a "
            "project sees that project's nodes only, and what it cannot see "
            "cannot be filtered.",
        .set =
            +[](Config& c, std::size_t v) {
              (c.*kService).auth_type = kAuthTypes[v].type;
            },
        .choices = kAuthTypeNames,
        .aliases = kAuthTypeAliases,
        .login = true},
       {.section = section,
        .name = "auth_section",
        .type = OptionType::kString,
        .default_text = "",
        .help = "Read auth_type, and the options that belong to the login, "
                "from the section of this name instead of this one.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).auth_section = std::move(v);
            }},
       {.section = section,
        .name = "cloud",
        .type = OptionType::kString,
        .default_text = "",
        .help = "Take what this section does not say from the entry of this "
                "name in clouds.yaml. `pxegate run` looks for that file in "
                "/etc/openstack, or takes the one that OS_CLIENT_CONFIG_FILE "
                "names.",
        .set = +[](Config& c,
                   std::string v) { (c.*kService).cloud = std::move(v); }},
       {.section = section,
        .name = "auth_url",
        .type = OptionType::kUrl,
        .default_text = "",
        .help = "The URL of Keystone, with or without /v3 at its end.",
        .set = +[](Config& c,
                   std::string v) { (c.*kService).auth_url = std::move(v); },
        .check = check_url,
        .expected = "a URL such as https://192.0.2.1:5000",
        .example = "https://192.0.2.1:5000",
        .login = true},
       {.section = section,
        .name = "username",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The user, for password and http_basic; also the owner of "
                "application_credential_name.",
        .set = +[](Config& c,
                   std::string v) { (c.*kService).username = std::move(v); },
        .aliases = kUsernameAliases,
        .login = true},
       {.section = section,
        .name = "user_id",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The user's ID, in place of username and its domain.",
        .set = +[](Config& c,
                   std::string v) { (c.*kService).user_id = std::move(v); },
        .login = true},
       {.section = section,
        .name = "user_domain_id",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The ID of the domain that username belongs to.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).user_domain_id = std::move(v);
            },
        .example = "default",
        .login = true},
       {.section = section,
        .name = "user_domain_name",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The name of the domain that username belongs to.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).user_domain_name = std::move(v);
            },
        .example = "Default",
        .login = true},
       {.section = section,
        .name = "password",
        .type = OptionType::kSecret,
        .default_text = "",
        .help = "The user's password. Write $$ for each $ in it, and keep the "
                "file from being read by everybody.",
        .set =
            +[](Config& c, Secret v) { (c.*kService).password = std::move(v); },
        .login = true},
       {.section = section,
        .name = "system_scope",
        .type = OptionType::kString,
        .default_text = "",
        .help = "Set to all, log in with the account's roles on the whole "
                "system, by which Ironic shows every node. The account needs "
                "such a role: `openstack role add --user NAME --system all "
                "reader`.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).system_scope = std::move(v);
            },
        .check = check_system_scope,
        .expected = "all, or nothing",
        .example = "all",
        .login = true},
       {.section = section,
        .name = "project_id",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The ID of the project to log in to, where it is not the "
                "system or a domain.",
        .set = +[](Config& c,
                   std::string v) { (c.*kService).project_id = std::move(v); },
        .aliases = kProjectIdAliases,
        .login = true},
       {.section = section,
        .name = "project_name",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The name of the project to log in to, with its domain.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).project_name = std::move(v);
            },
        .aliases = kProjectNameAliases,
        .example = "service",
        .login = true},
       {.section = section,
        .name = "project_domain_id",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The ID of the domain that project_name belongs to.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).project_domain_id = std::move(v);
            },
        .example = "default",
        .login = true},
       {.section = section,
        .name = "project_domain_name",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The name of the domain that project_name belongs to.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).project_domain_name = std::move(v);
            },
        .example = "Default",
        .login = true},
       {.section = section,
        .name = "domain_id",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The ID of the domain to log in to, where it is not the system "
                "or a project.",
        .set = +[](Config& c,
                   std::string v) { (c.*kService).domain_id = std::move(v); },
        .login = true},
       {.section = section,
        .name = "domain_name",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The name of the domain to log in to.",
        .set = +[](Config& c,
                   std::string v) { (c.*kService).domain_name = std::move(v); },
        .login = true},
       {.section = section,
        .name = "default_domain_id",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The ID of the domain that username and project_name belong "
                "to, unless their own options say otherwise.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).default_domain_id = std::move(v);
            },
        .login = true},
       {.section = section,
        .name = "default_domain_name",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The name of that domain.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).default_domain_name = std::move(v);
            },
        .login = true},
       {.section = section,
        .name = "trust_id",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The ID of a trust by which to log in with another user's "
                "roles.",
        .set = +[](Config& c,
                   std::string v) { (c.*kService).trust_id = std::move(v); },
        .login = true},
       {.section = section,
        .name = "application_credential_id",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The ID of the application credential, for "
                "v3applicationcredential. It carries its scope itself.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).application_credential_id = std::move(v);
            },
        .login = true},
       {.section = section,
        .name = "application_credential_name",
        .type = OptionType::kString,
        .default_text = "",
        .help = "Its name, in place of the ID; then the user whose it is has "
                "to be named too.",
        .set =
            +[](Config& c, std::string v) {
              (c.*kService).application_credential_name = std::move(v);
            },
        .login = true},
       {.section = section,
        .name = "application_credential_secret",
        .type = OptionType::kSecret,
        .default_text = "",
        .help = "Its secret. Write $$ for each $ in it.",
        .set =
            +[](Config& c, Secret v) {
              (c.*kService).application_credential_secret = std::move(v);
            },
        .login = true},
       {.section = section,
        .name = "token",
        .type = OptionType::kSecret,
        .default_text = "",
        .help = "The token, for token and v3token. It cannot be renewed, and "
                "ends within hours: of use for trying things out only.",
        .set = +[](Config& c, Secret v) { (c.*kService).token = std::move(v); },
        .login = true}});
}

template <ServiceConfig Config::*kService>
constexpr auto session_options(const Service& service) {
  const std::string_view section = service.section;
  return std::to_array<Option>(
      {{.section = section,
        .name = "cafile",
        .type = OptionType::kPath,
        .default_text = "",
        .help = "PEM file with the authorities that may vouch for the server, "
                "and for Keystone. Unset: the system's.",
        .set = +[](Config& c,
                   std::string v) { (c.*kService).cafile = std::move(v); },
        .example = "/etc/ssl/certs/ca-certificates.crt"},
       {.section = section,
        .name = "certfile",
        .type = OptionType::kPath,
        .default_text = "",
        .help = "PEM file with the certificate to show to the server, where it "
                "wants one.",
        .set = +[](Config& c,
                   std::string v) { (c.*kService).certfile = std::move(v); }},
       {.section = section,
        .name = "keyfile",
        .type = OptionType::kPath,
        .default_text = "",
        .help = "PEM file with the key of certfile, where certfile does not "
                "hold it.",
        .set = +[](Config& c,
                   std::string v) { (c.*kService).keyfile = std::move(v); }},
       {.section = section,
        .name = "insecure",
        .type = OptionType::kBoolean,
        .default_text = "false",
        .help = "Do not check the server's certificate. Whoever stands in "
                "between can then decide which machines boot, and gets the "
                "password.",
        .set = +[](Config& c, bool v) { (c.*kService).insecure = v; }},
       {.section = section,
        .name = "timeout",
        .type = OptionType::kSeconds,
        .default_text = service.timeout,
        .help = service.timeout_help,
        .set = +[](Config& c, seconds v) { (c.*kService).timeout = v; },
        .min = 1,
        .max = 3600},
       {.section = section,
        .name = "connect_retries",
        .type = OptionType::kInteger,
        .default_text = "0",
        .help = "How often to try a request again at once that found no "
                "connection. What failed is asked for again with the next poll "
                "in any case.",
        .set = +[](Config& c,
                   std::uint32_t v) { (c.*kService).connect_retries = v; },
        .max = 100},
       {.section = section,
        .name = "connect_retry_delay",
        .type = OptionType::kDelay,
        .default_text = "0",
        .help = "How long to wait before each of these tries. 0: half a second "
                "before the first, and twice as long before each next one, up "
                "to a minute.",
        .set = +[](Config& c,
                   milliseconds v) { (c.*kService).connect_retry_delay = v; },
        .max = 60},
       {.section = section,
        .name = "status_code_retries",
        .type = OptionType::kInteger,
        .default_text = "0",
        .help = "How often to try a request again at once that was answered "
                "with one of retriable_status_codes.",
        .set = +[](Config& c,
                   std::uint32_t v) { (c.*kService).status_code_retries = v; },
        .max = 100},
       {.section = section,
        .name = "status_code_retry_delay",
        .type = OptionType::kDelay,
        .default_text = "0",
        .help = "How long to wait before each of these tries. 0: as with "
                "connect_retry_delay.",
        .set =
            +[](Config& c, milliseconds v) {
              (c.*kService).status_code_retry_delay = v;
            },
        .max = 60},
       {.section = section,
        .name = "retriable_status_codes",
        .type = OptionType::kList,
        .default_text = "503",
        .help = "The HTTP status codes that status_code_retries is about.",
        .set =
            +[](Config& c, std::vector<std::string> v) {
              auto& codes = (c.*kService).retriable_status_codes;
              codes.clear();
              for (const std::string& each : v) {
                std::uint16_t code = 0;
                std::from_chars(each.data(), each.data() + each.size(), code);
                codes.push_back(code);
              }
            },
        .check = check_status_code,
        .expected = "HTTP status codes from 400 to 599"}});
}

template <ServiceConfig Config::*kService>
constexpr auto service_options(const Service& service) {
  constexpr auto kParts = [](const auto&... parts) {
    std::array<Option, (std::tuple_size_v<std::decay_t<decltype(parts)>> + ...)>
        all{};
    std::size_t next = 0;
    const auto append = [&](const auto& part) {
      for (const Option& option : part) all[next++] = option;
    };
    (append(parts), ...);
    return all;
  };
  return kParts(login_options<kService>(service),
                address_options<kService>(service),
                session_options<kService>(service));
}

constexpr std::array kIronicOptions = service_options<&Config::ironic>(
    {.section = "ironic",
     .endpoint_help =
         "The URL of Ironic's API, without a version at its end. Unset: what "
         "Keystone's catalogue says, or http://127.0.0.1:6385, with a warning, "
         "where Keystone is not used.",
     .example = "http://192.0.2.1:6385",
     .type = "baremetal",
     .timeout = "30",
     .timeout_help = "Give up a request after so many seconds. Raise it where "
                     "listing a thousand ports takes longer."});

constexpr std::array kInspectorOptions = service_options<&Config::inspector>(
    {.section = "inspector",
     .endpoint_help =
         "The URL of ironic-inspector's API, without a version at its end. "
         "Set it where inspections are started at ironic-inspector itself, "
         "which Ironic does not know of. Unset, ironic-inspector is not asked, "
         "and nothing else in this section matters, unless [pxe_filter] "
         "ask_inspector is set.",
     .example = "http://192.0.2.1:5050",
     .type = "baremetal-introspection",
     .timeout = "5",
     .timeout_help = "Give up a request after so many seconds. Ironic is not "
                     "asked meanwhile: the longer an ironic-inspector that "
                     "hangs is waited for, the later a node that Ironic "
                     "inspects gets its answer."});

}  // namespace

std::span<const Option> ironic_options() { return kIronicOptions; }
std::span<const Option> inspector_options() { return kInspectorOptions; }

}  // namespace pxegate
