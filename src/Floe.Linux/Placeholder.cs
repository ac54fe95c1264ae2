namespace Floe.Linux;
