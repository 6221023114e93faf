import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

/** A duty desk over plain TCP, Java 17: LINKAGE_SECRET=… java PlainClient.java HOST PORT APP_ID EVENT_ID. */
public class PlainClient {
    static final int MESSAGE = 1, HEARTBEAT = 2; // and 3, a fragment: the rest of the message follows
    static DataOutputStream out;

    static synchronized void send(int flag, String text) throws IOException {
        byte[] data = text.getBytes(StandardCharsets.UTF_8);
        out.writeByte(flag);
        out.writeByte(0);
        out.writeShort(data.length);
        out.write(data);
        out.flush();
    }

    static String newId() {
        return UUID.randomUUID().toString().replace("-", "").substring(0, 16);
    }

    static void request(int type, Map<String, String> elements) throws IOException {
        StringBuilder body = new StringBuilder();
        elements.forEach((name, text) -> body.append("<" + name + ">" + escape(text) + "</" + name + ">"));
        send(MESSAGE, "<request Id=\"" + newId() + "\" Type=\"" + type + "\">" + body + "</request>");
    }

    static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }

    static void register(String appId, String secret) throws Exception {
        String now = Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
        String nonce = newId();
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        String signed = "290\n" + appId + "\n" + now + "\n" + nonce;
        String digest = HexFormat.of().formatHex(mac.doFinal(signed.getBytes(StandardCharsets.UTF_8)));
        Map<String, String> elements = new LinkedHashMap<>();
        elements.put("AppId", appId);
        elements.put("ProtoVer", "1");
        elements.put("Time", now);
        elements.put("Nonce", nonce);
        elements.put("Digest", digest);
        request(290, elements);
    }

    static void beat() {
        try {
            while (true) {
                Thread.sleep(8000);
                send(HEARTBEAT, "");
            }
        } catch (IOException | InterruptedException gone) {
            return; // the reader sees it too, and ends the program
        }
    }

    /** The next complete message; readFully waits for all the bytes of a frame, however TCP cuts them. */
    static Element read(DataInputStream in, DocumentBuilder parser) throws Exception {
        ByteArrayOutputStream xml = new ByteArrayOutputStream();
        int flag;
        do {
            flag = in.readUnsignedByte();
            in.readUnsignedByte();
            byte[] payload = new byte[in.readUnsignedShort()];
            in.readFully(payload);
            xml.write(payload);
        } while (flag != MESSAGE);
        return parser.parse(new ByteArrayInputStream(xml.toByteArray())).getDocumentElement();
    }

    static Map<String, String> fieldsOf(Element message) {
        Map<String, String> fields = new LinkedHashMap<>();
        for (Node node = message.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node instanceof Element) {
                fields.put(node.getNodeName(), node.getTextContent());
            }
        }
        return fields;
    }

    public static void main(String[] args) throws Exception {
        String appId = args[2], eventId = args[3];
        Socket socket = new Socket(args[0], Integer.parseInt(args[1]));
        out = new DataOutputStream(new BufferedOutputStream(socket.getOutputStream()));
        DataInputStream in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        DocumentBuilder parser = factory.newDocumentBuilder();
        register(appId, System.getenv("LINKAGE_SECRET"));
        Thread heart = new Thread(PlainClient::beat);
        heart.setDaemon(true);
        heart.start();
        Set<String> calls = new HashSet<>();
        Set<String> done = new HashSet<>(); // the Seqs that were answered
        while (true) {
            Element message = read(in, parser);
            String type = message.getAttribute("Type");
            Map<String, String> fields = fieldsOf(message);
            if (message.getTagName().equals("response")) {
                System.out.println("response " + type + " " + message.getAttribute("Result"));
                if (Integer.parseInt(message.getAttribute("Result")) >= 10) {
                    System.err.println("linkage refused: " + message.getAttribute("Detail"));
                    System.exit(1);
                }
                continue;
            }
            System.out.println("request " + type + " " + fields);
            String seq = message.getAttribute("Seq");
            boolean isNew = seq.isEmpty() || done.add(seq); // Ids and CallIds may be given again; a Seq never is
            if (type.equals("100") && isNew) {
                calls.add(fields.get("CallId"));
                request(201, Map.of("CallId", fields.get("CallId"), "EventId", eventId));
            }
            String id = escape(message.getAttribute("Id"));
            send(MESSAGE, "<response RequestId=\"" + id + "\" Type=\"" + type + "\" Result=\"0\"/>");
            if (type.equals("102") && calls.contains(fields.get("CallId"))) { // not just a leg of it
                System.exit(0);
            }
        }
    }
}
